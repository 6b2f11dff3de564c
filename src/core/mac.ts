/** Ethernet addresses and their text. */

/** Parses six bytes of hexadecimal text parted by colons or hyphens. Returns undefined for anything else. */
export function parseMac(text: string): Uint8Array | undefined {
  if (text.length !== 17) return undefined;
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) {
    const high = hexDigit(text.charCodeAt(3 * i));
    const low = hexDigit(text.charCodeAt(3 * i + 1));
    const separator = text[3 * i + 2];
    if (high < 0 || low < 0 || (i < 5 && separator !== ":" && separator !== "-")) return undefined;
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
