/** The routes of a configuration, as IPAM plugins take them. @see https://www.cni.dev/docs/spec/#add-success "routes" */

import type { ResultRoute } from "./result.ts";
import { integer, ipText, list, networkText, object, optional, type Schema } from "./schema.ts";

interface RawRoute {
  dst: string;
  gw: string | undefined;
  mtu: number | undefined;
  advmss: number | undefined;
  priority: number | undefined;
  table: number | undefined;
  scope: number | undefined;
}

const UINT32_MAX = 0xffffffff;

const rawRoute = object<RawRoute>({
  dst: networkText,
  gw: optional(ipText),
  mtu: optional(integer(0, UINT32_MAX)),
  advmss: optional(integer(0, UINT32_MAX)),
  priority: optional(integer(0, UINT32_MAX)),
  table: optional(integer(0, UINT32_MAX)),
  scope: optional(integer(0, 255)),
});

/** A list of routes: `dst` in CIDR notation, and where given `gw`, `mtu`, `advmss`, `priority`, `table` and `scope`. */
export const routes: Schema<ResultRoute[]> = list((value, field) => withoutAbsent(rawRoute(value, field)));

function withoutAbsent(raw: RawRoute): ResultRoute {
  const route: Record<string, unknown> = {};
  for (const name in raw) {
    const value = raw[name as keyof RawRoute];
    if (value !== undefined) route[name] = value;
  }
  return route as unknown as ResultRoute;
}
