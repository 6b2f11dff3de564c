/** Verdicts as data of registers and maps. */

import { DecodeError } from "../../core/errors.ts";
import type { NftVerdict } from "../../core/nftables.ts";
import { NF_ACCEPT, NF_DROP, NFT_CONTINUE, NFT_GOTO, NFT_JUMP, NFT_RETURN } from "./constants.ts";
import type { VerdictData } from "./data.ts";

const CODES = { accept: NF_ACCEPT, drop: NF_DROP, continue: NFT_CONTINUE, return: NFT_RETURN } as const;

export function encodeVerdict(verdict: NftVerdict): VerdictData {
  if (typeof verdict === "string") return { code: CODES[verdict] };
  return "jump" in verdict ? { code: NFT_JUMP, chain: verdict.jump } : { code: NFT_GOTO, chain: verdict.goto };
}

/** Throws DecodeError for a code that is not known here. */
export function decodeVerdict({ code, chain }: VerdictData): NftVerdict {
  if (code === NFT_JUMP && chain !== undefined) return { jump: chain };
  if (code === NFT_GOTO && chain !== undefined) return { goto: chain };
  for (const name of Object.keys(CODES) as (keyof typeof CODES)[]) if (CODES[name] === code) return name;
  throw new DecodeError(`${code} is not a verdict`);
}

/** A verdict as nft(8) writes it. */
export function formatVerdict(verdict: NftVerdict): string {
  if (typeof verdict === "string") return verdict;
  return "jump" in verdict ? `jump ${verdict.jump}` : `goto ${verdict.goto}`;
}
