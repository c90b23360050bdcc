-- The account of one limit, as account.py has it, in one atomic step of Redis or Valkey. Function by function the same;
-- a test compares them. What differs is that Lua counts in doubles: times are microseconds, and products that could
-- leave the 53 bits that are exact are never formed (muldiv).
--
-- KEYS[1]  the account. All there is about a limit is in this one key, so that a cluster can keep it anywhere.
-- ARGV     what to do, the time in microseconds (0: the server's clock), the limit's window, capacity and period,
--          LEASE_US and its like; then the lease, its need and want, and reports of four each.
-- The constants above this text come from account.py.

local what, given, window, capacity, period = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local calendar, bucket, in_use = window == 'calendar', window == 'token_bucket', window == 'in_use'
local rolling = window == 'rolling'
if not calendar then period = tonumber(period) end
local account = {seen = 0, swept = 0, carry = 0, frames = {}}

-- Whole quotient and remainder of two numbers, floored.
local function divmod(a, b)
  local rest = math.fmod(a, b)
  if rest < 0 then rest = rest + b end
  return (a - rest) / b, rest
end

-- Whole quotient and remainder of a * b / by, none of them negative, without forming a * b.
local function muldiv(a, b, by)
  local bits, n = {}, 0
  while a > 0 do
    local half, bit = divmod(a, 2)
    n = n + 1
    bits[n], a = bit, half
  end
  local whole, part = divmod(b, by)
  local quotient, rest = 0, 0
  local function add(more)
    if rest >= by - more then
      rest = rest - (by - more)
      quotient = quotient + 1
    else
      rest = rest + more
    end
  end
  for i = n, 1, -1 do
    quotient = quotient * 2
    add(rest)
    if bits[i] == 1 then
      quotient = quotient + whole
      add(part)
    end
  end
  return quotient, rest
end

local function text(number)
  return string.format('%.0f', number)
end

-- Days since 1970 of the first of a month.
local function first_of(year, month)
  if month <= 2 then year = year - 1 end
  local era, of_era = divmod(year, 400)
  local of_year = math.floor((153 * ((month + 9) % 12) + 2) / 5)
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end

-- First day of the month that a day since 1970 lies in, and of the next.
local function month_around(day)
  local year = 1970 + math.floor(day / 365.2425)
  while first_of(year, 1) > day do year = year - 1 end
  while first_of(year + 1, 1) <= day do year = year + 1 end
  local month = 1
  while month < 12 and first_of(year, month + 1) <= day do month = month + 1 end
  if month == 12 then return first_of(year, 12), first_of(year + 1, 1) end
  return first_of(year, month), first_of(year, month + 1)
end

local LENGTHS = {minute = 60, hour = 3600, day = 86400, week = 604800}

-- Beginning and end, in seconds, of the calendar period around a second.
local function around(second)
  if period == 'month' then
    local first, next = month_around(math.floor(second / 86400))
    return first * 86400, next * 86400
  end
  -- 1970 began on a Thursday: three days after a Monday.
  local shift = period == 'week' and 259200 or 0
  local length = LENGTHS[period]
  local start = divmod(second + shift, length) * length - shift
  return start, start + length
end

local part = rolling and math.ceil(period / PARTS) or 0

local function window_id(now)
  if calendar then return text((around(math.floor(now / 1000000)))) end
  if rolling then return text((divmod(now, part))) end
  return ''
end

local function ends_at(now)
  if calendar then
    local _, stop = around(math.floor(now / 1000000))
    return stop * 1000000
  end
  if rolling then return (divmod(now, part) + 1) * part end
  return nil
end

local function counts_until(name)
  if calendar then
    local _, stop = around(tonumber(name))
    return stop * 1000000
  end
  if rolling then return (tonumber(name) + 1) * part + period end
  return nil
end

-- Leases and frames alike: granted, overage, used, returned; a frame has its forfeited, leases and id besides.
local function open_of(sums)
  return sums.g + sums.o - sums.u - sums.r - (sums.f or 0)
end

local function taken(frame)
  return frame.g + frame.o - frame.r
end

local function frame_of(name)
  for _, frame in ipairs(account.frames) do
    if frame.id == name then return frame end
  end
  return nil
end

local function all_open()
  local sum = 0
  for _, frame in ipairs(account.frames) do sum = sum + open_of(frame) end
  return sum
end

local function open_by(name)
  local sum = 0
  for _, frame in ipairs(account.frames) do
    local lease = frame.leases[name]
    if lease and not lease.lost then sum = sum + open_of(lease) end
  end
  return sum
end

local function free()
  if bucket then return account.level or capacity end
  if in_use then return capacity - all_open() end
  local sum = 0
  for _, frame in ipairs(account.frames) do sum = sum + taken(frame) end
  return capacity - sum
end

local function fill(elapsed)
  if not bucket then return end
  local most = math.max(0, capacity - all_open())
  if not account.level then
    account.level = most
    return
  end
  local units, rest = muldiv(elapsed, capacity, period)
  if rest >= period - account.carry then
    units, account.carry = units + 1, rest - (period - account.carry)
  else
    account.carry = rest + account.carry
  end
  account.level = account.level + units
  if account.level >= most then account.level, account.carry = most, 0 end
end

local function drop(frame, lease)
  frame.g, frame.o, frame.u, frame.r = frame.g - lease.g, frame.o - lease.o, frame.u - lease.u, frame.r - lease.r
  if lease.lost then frame.f = frame.f - open_of(lease) end
end

local function sweep(frame, now)
  for name, lease in pairs(frame.leases) do
    local silent = now - lease.seen
    if silent >= LEASE_US and not lease.lost then
      lease.lost = true
      frame.f = frame.f + open_of(lease)
    end
    if silent >= (open_of(lease) > 0 and KEPT_US or ENDED_US) then
      frame.leases[name] = nil
      frame.n = frame.n - 1
      if bucket or in_use then drop(frame, lease) end
    end
  end
end

local function advance(now)
  local elapsed = account.seen > 0 and math.max(0, now - account.seen) or 0
  now = math.max(now, account.seen)
  account.seen = now
  while account.frames[1] do
    local stop = counts_until(account.frames[1].id)
    if not stop or stop > now then break end
    table.remove(account.frames, 1)
  end
  if account.swept + SWEEP_US <= now then
    account.swept = now
    for _, frame in ipairs(account.frames) do sweep(frame, now) end
  end
  fill(elapsed)
  return now
end

local function found(frame, lease, now)
  lease.seen = now
  if lease.lost then
    lease.lost = nil
    frame.f = frame.f - open_of(lease)
  end
end

local function change(frame, lease, used, returned)
  local over = math.max(0, used + returned - open_of(lease))
  for _, sums in ipairs({lease, frame}) do
    sums.u, sums.r, sums.o = sums.u + used, sums.r + returned, sums.o + over
  end
  if account.level then account.level = account.level + returned - over end
end

local function take_in(report, now)
  local frame = frame_of(report.window)
  local lease = frame and frame.leases[report.lease]
  if not lease then return nil, nil end
  found(frame, lease, now)
  local used = in_use and 0 or report.used
  change(frame, lease, math.max(0, used - lease.u), math.max(0, report.returned - lease.r))
  return frame, lease
end

local function begin(frame, name, id, reports, now)
  local lease = {g = 0, o = 0, u = 0, r = 0, seen = now}
  for _, report in ipairs(reports) do
    if report.lease == name and report.window == id then
      lease.u = in_use and 0 or report.used
      lease.r = report.returned
      lease.g = lease.u + lease.r
    end
  end
  if bucket or in_use then
    frame.g, frame.u, frame.r = frame.g + lease.g, frame.u + lease.u, frame.r + lease.r
  end
  frame.leases[name] = lease
  frame.n = frame.n + 1
  return lease
end

local function grant(name, need, want, reports, there, now)
  local id = window_id(now)
  local frame = frame_of(id)
  local lease = frame and frame.leases[name]
  if lease then found(frame, lease, now) end
  if want == 0 then return 0, lease and lease.g + lease.o or 0 end
  if not frame then
    frame = {id = id, g = 0, o = 0, u = 0, r = 0, f = 0, n = 0, leases = {}}
    table.insert(account.frames, frame)
  end
  if not lease then
    if frame.n >= MAX_LEASES then return 0, 0 end
    lease = begin(frame, name, id, reports, now)
  end
  local slice = math.min(want, math.max(1, math.floor(capacity / SLICE_SHARE)))
  local amount = math.max(0, math.min(there, math.max(need, slice)))
  lease.g, frame.g = lease.g + amount, frame.g + amount
  if account.level then account.level = account.level - amount end
  return amount, lease.g + lease.o
end

-- When a bucket has so much more, in microseconds from now.
local function refilled_after(amount)
  local quotient, rest = muldiv(amount, period, capacity)
  local more, left = divmod(rest - account.carry, capacity)
  return math.max(0, quotient + more + (left > 0 and 1 or 0))
end

-- In microseconds; -1: never.
local function retry_after(lacking, need, now)
  if lacking <= 0 then return 0 end
  if need > capacity then return -1 end
  if in_use then return IN_USE_RETRY_US end
  local amount = lacking - free()
  if bucket then
    local room = math.max(0, capacity - all_open()) - account.level
    return math.max(amount > 0 and refilled_after(amount) or 0, amount > room and IDLE_US or 0)
  end
  local back = 0
  for _, frame in ipairs(account.frames) do
    back = back + taken(frame)
    if back >= amount then return counts_until(frame.id) - now end
  end
  return IDLE_US
end

local function all_back(remaining, now)
  if in_use then return -1 end
  if remaining >= capacity then return 0 end
  if bucket then return refilled_after(capacity - remaining) end
  local stop = now
  for _, frame in ipairs(account.frames) do
    if taken(frame) ~= 0 then stop = math.max(stop, counts_until(frame.id)) end
  end
  return stop - now
end

local function forgettable_at()
  local known = account.seen + KEPT_US
  if bucket then
    local quotient, rest = muldiv(math.max(0, capacity - account.level), period, capacity)
    return known + quotient + (rest > 0 and 1 or 0)
  end
  for _, frame in ipairs(account.frames) do known = math.max(known, counts_until(frame.id) or 0) end
  return known
end

local function reports_from(first)
  local reports = {}
  for i = first, #ARGV, 4 do
    table.insert(reports, {
      lease = ARGV[i], window = ARGV[i + 1], used = tonumber(ARGV[i + 2]), returned = tonumber(ARGV[i + 3]),
    })
  end
  return reports
end

local function exchange(now)
  local name, need, want, reports = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), reports_from(9)
  now = advance(now)
  for _, report in ipairs(reports) do take_in(report, now) end
  fill(0)
  local there = free()
  local amount, total = grant(name, need, want, reports, there, now)
  local stop = ends_at(now)
  return {
    window_id(now), amount, total, stop and stop - now or -1, retry_after(need - amount, need, now), there - amount,
    all_open() - open_by(name),
  }
end

local function reap(now)
  now = advance(now)
  for _, report in ipairs(reports_from(6)) do
    local frame, lease = take_in(report, now)
    if lease then change(frame, lease, 0, open_of(lease)) end
  end
  fill(0)
  return {}
end

local function standing(now)
  now = advance(now)
  local held = all_open()
  local remaining = free() + (in_use and 0 or held)
  return {remaining, held, all_back(remaining, now)}
end

local stored = redis.call('GET', KEYS[1])
if stored then account = cmsgpack.unpack(stored) end
local clock = redis.call('TIME')
local now = given > 0 and given or tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if what == 'standing' then return standing(now) end
local answer = (what == 'reap' and reap or exchange)(now)
local left = math.ceil((forgettable_at() - now) / 1000) + LATE_MS
redis.call('SET', KEYS[1], cmsgpack.pack(account), 'PX', text(left))
return answer
