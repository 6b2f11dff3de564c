/**
 * Registers: 16 words of four bytes. Four of them in a row are also registers of 16 bytes, numbered 1 to 4; a word
 * that starts one of these goes by that number, others have numbers of their own.
 * @see linux/netfilter/nf_tables.h enum nft_registers
 */

const NFT_REG32_00 = 8;

/** The number of the register that starts at a word. */
export function registerAt(word: number): number {
  return word % 4 === 0 ? 1 + word / 4 : NFT_REG32_00 + word;
}

/** The word that a register starts at. */
export function wordOfRegister(register: number): number {
  return register < NFT_REG32_00 ? 4 * (register - 1) : register - NFT_REG32_00;
}
