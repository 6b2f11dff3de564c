/** Ethernet addresses and their text. */

/** Parses six bytes of hexadecimal text parted by colons or hyphens. Returns undefined for anything else. */
export function parseMac(text: string): Uint8Array | undefined {
  return text.length === 17 ? parseLinkAddress(text) : undefined;
}

/** The same for the link-layer addresses of other links, of however many bytes. */
export function parseLinkAddress(text: string): Uint8Array | undefined {
  const length = Math.floor((text.length + 1) / 3);
  if (text.length !== Math.max(3 * length - 1, 0)) return undefined;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const high = hexDigit(text.charCodeAt(3 * i));
    const low = hexDigit(text.charCodeAt(3 * i + 1));
    const separator = text[3 * i + 2];
    if (high < 0 || low < 0 || (i < length - 1 && separator !== ":" && separator !== "-")) return undefined;
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** The value of a hexadecimal digit's character code; -1 for another character. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
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
