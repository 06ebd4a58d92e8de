/** uuidv7 makes a UUID of version 7 (RFC 9562): ids of one client sort by the time at which they were made. */
export function uuidv7(nowMs = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Two ids of one millisecond keep their order by a counter in the bits after the time.
  const time = BigInt(nowMs);
  if (time > last.time) last = { time, count: 0 };
  else if (last.count < 0xfff) last.count += 1;
  else last = { time: last.time + 1n, count: 0 };
  new DataView(bytes.buffer).setBigUint64(0, (last.time << 16n) | 0x7000n | BigInt(last.count));
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

let last = { time: 0n, count: 0 };
