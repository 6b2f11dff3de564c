/** The kinds of resources that the kernel holds, by name. */

import type { ResourceKindName, ResourceOf } from "../core/plan.ts";
import { address } from "./address.ts";
import { link } from "./link/index.ts";
import { linkSettings } from "./link-settings.ts";
import { neighbour } from "./neighbour.ts";
import { nftChain } from "./nft-chain.ts";
import { nftElement } from "./nft-element.ts";
import { nftOwned } from "./nft-owned.ts";
import { nftRule } from "./nft-rule.ts";
import { nftTable } from "./nft-table.ts";
import { portVlans } from "./port-vlans.ts";
import type { ResourceKind } from "./resource.ts";
import { route } from "./route.ts";
import { rule } from "./rule.ts";
import { sysctl } from "./sysctl.ts";

/** All but leases, which IPAM plugins hold. */
export const kernelKinds: { readonly [K in Exclude<ResourceKindName, "lease">]: ResourceKind<ResourceOf<K>> } = {
  link,
  "link-settings": linkSettings,
  "port-vlans": portVlans,
  address,
  route,
  neighbour,
  rule,
  sysctl,
  "nft-table": nftTable,
  "nft-chain": nftChain,
  "nft-rule": nftRule,
  "nft-element": nftElement,
  "nft-owned": nftOwned,
};
