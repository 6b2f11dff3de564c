/**
 * The default routes by an interface of a chain before it, for a pod that asks for them there: a plugin of our own making,
 * under no name of an executable.
 */

import { ConfigError } from "../../core/errors.ts";
import { familyOf } from "../../core/ip.ts";
import type { Plan, RouteResource } from "../../core/plan.ts";
import type { Facts, Planner } from "../../core/planner.ts";
import { ipText, list, object, optional } from "../../core/schema.ts";
import { GATEWAY } from "../types.ts";

export interface GatewayConfig {
  /** Those that the chain's result tells when absent. */
  readonly gateways: readonly string[] | undefined;
}

const fields = object({ gateways: optional(list(ipText)) });

export const gateway: Planner<GatewayConfig> = {
  type: GATEWAY,
  chained: true,
  parse: (config) => fields(config, ""),
  usesIpam: () => false,
  links: () => [],
  plan: planGateway,
  obstacles: () => [],
};

function planGateway({ gateways }: GatewayConfig, { key, prevResult, recovering }: Facts): Plan {
  const before = prevResult ?? {};
  const told = (before.ips ?? []).flatMap((ip) => ip.gateway ?? []);
  const wanted = gateways ?? told;
  if (wanted.length === 0 && !recovering) {
    throw new ConfigError("gateways", `is missing: the network of "${key.ifname}" tells no gateway either`);
  }
  const routes = wanted.map((gw) => ({ dst: familyOf(gw) === 4 ? "0.0.0.0/0" : "::/0", gw }));
  const isThere = (dst: string) => (before.routes ?? []).some((route) => route.dst === dst);
  const missing = routes.filter(({ dst }) => !isThere(dst));
  const resources = missing.map(
    ({ dst, gw }): RouteResource => ({
      kind: "route",
      where: "container",
      link: key.ifname,
      destination: dst,
      gateway: gw,
    }),
  );
  return { resources, result: { ...before, routes: [...(before.routes ?? []), ...missing] } };
}
