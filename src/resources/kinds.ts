/** The kinds of resources that the kernel holds, by name. */

import type { ResourceKindName, ResourceOf } from "../core/plan.ts";
import { address } from "./address.ts";
import { link } from "./link.ts";
import { linkSettings } from "./link-settings.ts";
import { neighbour } from "./neighbour.ts";
import { portVlans } from "./port-vlans.ts";
import type { ResourceKind } from "./resource.ts";
import { route } from "./route.ts";
import { rule } from "./rule.ts";
import { sysctl } from "./sysctl.ts";

export const kernelKinds: {
  readonly [K in Exclude<
    ResourceKindName,
    "lease" | "nft-table" | "nft-chain" | "nft-rule" | "nft-element"
  >]: ResourceKind<ResourceOf<K>>;
} = {
  link,
  "link-settings": linkSettings,
  "port-vlans": portVlans,
  address,
  route,
  neighbour,
  rule,
  sysctl,
};
