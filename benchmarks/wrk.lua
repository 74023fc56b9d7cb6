-- The requests of wrk, and its results as JSON on the last line.
-- Arguments: method, token, ids (builds 1 to this many), seed, template file (for PUT).

local method, ids, seed, path
local before_id, before_number, before_created, created, before_message, rest
local sent = 0

function init(args)
  method, ids, seed = args[1], tonumber(args[3]), args[4]
  math.randomseed(tonumber(seed))
  wrk.headers["Authorization"] = "Bearer " .. args[2]
  path = wrk.path
  if method == "PUT" then
    wrk.headers["Content-Type"] = "application/json"
    local file = assert(io.open(args[5], "rb"))
    local template = file:read("*a")
    file:close()
    before_id, before_number, before_created, created, before_message, rest =
      template:match("^(.*)@id@(.*)@id@(.*)@(%d+)%+id@(.*)@message@(.*)$")
  end
end

function request()
  local id = math.random(ids)
  if method == "GET" then
    return wrk.format("GET", path .. "/" .. id)
  end
  sent = sent + 1
  -- Every PUT has a different message, so that it changes that field of its build.
  return wrk.format("PUT", nil, nil, before_id .. id .. before_number .. id .. before_created
    .. string.format("%d", created + id) .. before_message .. "overwrite " .. seed .. "-" .. sent .. rest)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failures": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
