-- Sends the prepared requests of a file, in order, and reports figures as one line of JSON.
--
-- The file holds, for each request, its length in decimal, a newline, and its bytes.
-- Mode "repeat" starts again at the end of the list; mode "once" stops sending there, and the
-- time until then is what the rate is computed from, because wrk itself sleeps until its end.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } keytrail_timespec;
  int clock_gettime(int clock, keytrail_timespec *result);
]]

local CLOCK_MONOTONIC = 1
local reading = ffi.new("keytrail_timespec")

local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, reading)
  return tonumber(reading.seconds) + tonumber(reading.nanoseconds) * 1e-9
end

local the_thread

function setup(thread)
  the_thread = thread
end

-- Globals, not locals: `done` runs in another Lua state and reads them with thread:get.
sent = 0
started_at = 0
ran_out_at = 0

local requests = {}
local once = false
local index = 0

function init(arguments)
  once = arguments[2] == "once"
  local file = assert(io.open(arguments[1], "rb"))
  local length = file:read("*l")
  while length do
    requests[#requests + 1] = file:read(tonumber(length))
    length = file:read("*l")
  end
  file:close()
end

function request()
  index = index + 1
  -- The first call of all is wrk's own check of the script; nothing is sent.
  if index == 1 then return requests[1] end
  if sent == 0 then started_at = now() end
  if index > #requests then
    if once then
      if ran_out_at == 0 then ran_out_at = now() end
      return ""
    end
    index = 1
  end
  sent = sent + 1
  return requests[index]
end

function done(summary, latency, _)
  local errors = summary.errors
  local format = '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,'
    .. '"broken":%d,"sent":%d,"ran_out_after_s":%.6f}\n'
  local ran_out_at = the_thread:get("ran_out_at")
  local ran_out_after = 0
  if ran_out_at > 0 then ran_out_after = ran_out_at - the_thread:get("started_at") end
  io.write(string.format(format, summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, the_thread:get("sent"),
    ran_out_after))
end
