"""The catalogue's tables.

What changes over time is kept as spans, never overwritten: `from_position` and `to_position` say
when the ledger says so, `effective_from` and `effective_to` when authorization says so. An open
end is NULL. Instants are microseconds since 1970, UTC. `key_current` is the fold of a key's stream
to its head. Every row is a function of the ledger, so a rebuilt table is identical.
"""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS account (
        account TEXT PRIMARY KEY, home_region TEXT NOT NULL, created_at INTEGER NOT NULL,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS access_key (
        access_key_id TEXT PRIMARY KEY, account TEXT NOT NULL, principal_arn TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS key_current (
        account TEXT NOT NULL, region TEXT NOT NULL, key_id TEXT NOT NULL,
        version INTEGER NOT NULL, state TEXT NOT NULL, description TEXT NOT NULL,
        key_spec TEXT NOT NULL, key_usage TEXT NOT NULL, origin TEXT NOT NULL,
        multi_region INTEGER NOT NULL, created_at INTEGER NOT NULL, material_id TEXT,
        deletion_date INTEGER, state_effective_at INTEGER NOT NULL,
        tags_effective_at INTEGER NOT NULL,
        PRIMARY KEY (account, region, key_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE INDEX IF NOT EXISTS key_due ON key_current (deletion_date)
        WHERE state = 'PendingDeletion'
    """,
    """
    CREATE INDEX IF NOT EXISTS key_deleted ON key_current (state_effective_at)
        WHERE state = 'Deleted'
    """,
    """
    CREATE TABLE IF NOT EXISTS key_policy_span (
        account TEXT NOT NULL, region TEXT NOT NULL, key_id TEXT NOT NULL, policy TEXT NOT NULL,
        from_position INTEGER NOT NULL, to_position INTEGER,
        effective_from INTEGER NOT NULL, effective_to INTEGER,
        PRIMARY KEY (account, region, key_id, from_position)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS tag_span (
        account TEXT NOT NULL, region TEXT NOT NULL, key_id TEXT NOT NULL, tag_key TEXT NOT NULL,
        tag_value TEXT NOT NULL, place INTEGER NOT NULL,
        from_position INTEGER NOT NULL, to_position INTEGER,
        effective_from INTEGER NOT NULL, effective_to INTEGER,
        PRIMARY KEY (account, region, key_id, tag_key, from_position)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS alias_span (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, key_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
        version INTEGER NOT NULL, to_version INTEGER,
        from_position INTEGER NOT NULL, to_position INTEGER,
        effective_from INTEGER NOT NULL, effective_to INTEGER,
        PRIMARY KEY (account, region, name, from_position)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE UNIQUE INDEX IF NOT EXISTS alias_by_name ON alias_span (account, region, name)
        WHERE to_position IS NULL
    """,
    """
    CREATE UNIQUE INDEX IF NOT EXISTS alias_by_key ON alias_span (account, region, key_id, name)
        WHERE to_position IS NULL
    """,
)

NAMES = ("account", "access_key", "key_current", "key_policy_span", "tag_span", "alias_span")
