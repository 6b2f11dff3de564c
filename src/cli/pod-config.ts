/** The configuration of a call with what its pod asks for by annotations. */

import { ANNOTATIONS, type PodFacts, type PodWishes } from "../agent/pods/annotations.ts";
import { AnnotationError, ConfigError } from "../core/errors.ts";
import { EXECUTABLE } from "../plugins/types.ts";

type Config = Readonly<Record<string, unknown>>;

/**
 * `config` is complete but for the wishes, which go over what it has. Throws AnnotationError for wishes that the network
 * cannot fulfil.
 */
export function withWishes(config: Config, wishes: PodWishes, pod: PodFacts): Record<string, unknown> {
  const { mac } = wishes;
  const ipam = objectOf(config.ipam);
  if (ipam.type !== EXECUTABLE) refuseClusterWishes(wishes, pod, ipam.type);
  const { pool, addresses, sticky } = wishes;
  const bandwidth = bandwidthOf(wishes);
  return {
    ...config,
    ipam: {
      ...ipam,
      ...(pool !== undefined && { pool }),
      ...(addresses !== undefined && { addresses }),
      ...(sticky && { sticky }),
    },
    runtimeConfig: {
      ...objectOf(config.runtimeConfig),
      ...(mac !== undefined && { mac }),
      ...(bandwidth !== undefined && { bandwidth }),
    },
  };
}

/** Addresses of another IPAM plugin are not the cluster's to keep. */
function refuseClusterWishes({ pool, addresses, sticky }: PodWishes, pod: PodFacts, ipam: unknown): void {
  const asked = { pool: pool !== undefined, addresses: addresses !== undefined, sticky };
  for (const key of ["pool", "addresses", "sticky"] as const) {
    const { name } = ANNOTATIONS[key];
    const value = pod.annotations[name] ?? pod.namespaceAnnotations[name];
    if (!asked[key]) continue;
    const problem = `is for addresses of the cluster, and the network has them of the IPAM plugin "${ipam}"`;
    throw new AnnotationError(`pod "${pod.namespace}/${pod.name}"`, new ConfigError(name, problem, { value }));
  }
}

/** Bits that may go at once: of a tenth of a second, and enough for the largest packet that the kernel hands on whole. */
const BURST_SHARE = 10;
const LEAST_BURST = 8 * 128 * 1024;
/** What the plugin takes at most. */
const MOST_BURST = 8 * 0xffffffff - 1;

/**
 * Runtimes hand on the same rates with a burst of half a gigabyte, so that a limit does not hold for short transfers; ours
 * take their place.
 */
function bandwidthOf({ ingress, egress }: PodWishes): object | undefined {
  if (ingress === undefined && egress === undefined) return undefined;
  const burst = (rate: number) => Math.min(MOST_BURST, Math.max(LEAST_BURST, Math.ceil(rate / BURST_SHARE)));
  return {
    ...(ingress !== undefined && { ingressRate: ingress, ingressBurst: burst(ingress) }),
    ...(egress !== undefined && { egressRate: egress, egressBurst: burst(egress) }),
  };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
