/** Ethernet addresses and their text. */

/** Parses six bytes of hexadecimal text parted by colons or hyphens. Returns undefined for anything else. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^([0-9a-fA-F]{2})([:-][0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}

/** The text of an address in lower case, parted by colons. */
export function formatMac(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    text += `${i === 0 ? "" : ":"}${byte < 16 ? "0" : ""}${byte.toString(16)}`;
  }
  return text;
}

/** Whether a link may carry the address: it is neither a group address nor zero. */
export function isUnicastMac(bytes: Uint8Array): boolean {
  return ((bytes[0] as number) & 1) === 0 && bytes.some((byte) => byte !== 0);
}
