/** What the operator tells the controller: a file in YAML or JSON. */

import { parse } from "yaml";
import { LOG_LEVELS, type LogLevel } from "../cluster/log.ts";
import { METRICS_OFF, metricsAddress } from "../cluster/metrics-server.ts";
import { ConfigError, DecodeError, errorMessage } from "../core/errors.ts";
import { exactly, integer, oneOf, optional, text, withDefault } from "../core/schema.ts";
import { type StoreOptions, storeOptions } from "../store/open.ts";

export interface ControllerConfig {
  /** `kubernetes:`, or `kubernetes:/PATH` of a kubeconfig. */
  readonly store: string;
  readonly storeOptions: StoreOptions;
  /** Seconds without a sign of life after which a node is given up that does not say it itself. */
  readonly patience: number;
  /** Seconds for which a node's object must have been away before its node is forgotten. */
  readonly nodeGrace: number;
  /** Seconds for which the owner of a sticky reservation must have been away before that ends. */
  readonly ownerGrace: number;
  /** Seconds after a node's object has come for which it may be without an agent. */
  readonly agentGrace: number;
  /** Percent of a pool's addresses: when so many are used, it is told. */
  readonly nearlyExhausted: number;
  /** Seconds after which a controller that is silent is followed by another. */
  readonly lease: number;
  /** Where metrics are served by TCP; undefined for nowhere. */
  readonly metrics: string | undefined;
  readonly log: LogLevel;
}

const seconds = integer(1, 604_800);

const fields = exactly<ControllerConfig>({
  store: withDefault(text, "kubernetes:"),
  storeOptions: withDefault(storeOptions, {}),
  patience: withDefault(seconds, 320),
  nodeGrace: withDefault(seconds, 300),
  ownerGrace: withDefault(seconds, 600),
  agentGrace: withDefault(seconds, 300),
  nearlyExhausted: withDefault(integer(1, 100), 90),
  lease: withDefault(integer(3, 600), 15),
  metrics: optional(metricsAddress),
  log: withDefault(oneOf(...LOG_LEVELS), "info"),
});

/** Throws DecodeError for what is neither YAML nor JSON, ConfigError for a field. */
export function parseControllerConfig(source: string): ControllerConfig {
  let file: unknown;
  try {
    file = parse(source, { prettyErrors: true, logLevel: "error" }) ?? {};
  } catch (error) {
    throw new DecodeError(`The controller's configuration is not YAML: ${errorMessage(error)}`, { cause: error });
  }
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    throw new DecodeError("The controller's configuration is not an object");
  }
  const config = fields(file, "");
  if (!config.store.startsWith("kubernetes:")) {
    throw new ConfigError("store", "must be kubernetes: or kubernetes:/KUBECONFIG: other stores have no controller", {
      value: config.store,
    });
  }
  return { ...config, metrics: config.metrics === METRICS_OFF ? undefined : config.metrics };
}
