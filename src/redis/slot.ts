// Which slot of a Cluster has a key: CRC16 of what stands in its braces.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model

const slotCount = 16_384;

/** The slot of a key that has an id in braces. */
export function slotOf(key: string): number {
  const id = key.slice(key.indexOf("{") + 1, key.indexOf("}"));
  let crc = 0;
  for (const byte of new TextEncoder().encode(id)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return crc % slotCount;
}
