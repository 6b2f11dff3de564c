/** Quantities as Kubernetes writes them, such as `10M`, `1.5Gi` and `12e6`. */

import { ConfigError } from "../../core/errors.ts";
import { type Schema, text } from "../../core/schema.ts";

const SUFFIXES: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/**
 * The number that a quantity means, with a fraction rounded up; undefined for what is none.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
export function parseQuantity(quantity: string): number | undefined {
  const [, digits, exponent, suffix = ""] =
    /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(quantity) ?? [];
  if (digits === undefined) return undefined;
  const factor = exponent === undefined ? SUFFIXES[suffix] : 10 ** Number(exponent);
  return factor === undefined ? undefined : Math.ceil(Number(digits) * factor);
}

/** Kubernetes' own bounds, in bits a second. @see k8s.io/kubernetes/pkg/util/bandwidth validateBandwidthIsReasonable */
const LEAST = 1e3;
const MOST = 1e15;

/** A rate in bits a second. */
export const bitRate: Schema<number> = (value, field) => {
  const rate = parseQuantity(text(value, field));
  if (rate !== undefined && rate >= LEAST && rate <= MOST) return rate;
  throw new ConfigError(field, "must be bits a second from 1k to 1P, such as 10M", { value });
};
