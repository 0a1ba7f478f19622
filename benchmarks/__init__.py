"""`make bench`: the floor, Keytrail, OpenBao and moto on the same core in the same run."""
