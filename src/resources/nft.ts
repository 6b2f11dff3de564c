/** The kinds of resources in nf_tables, which are loaded together. */

export { nftChain } from "./nft-chain.ts";
export { nftElement } from "./nft-element.ts";
export { nftOwned } from "./nft-owned.ts";
export { nftRule } from "./nft-rule.ts";
export { nftTable } from "./nft-table.ts";
