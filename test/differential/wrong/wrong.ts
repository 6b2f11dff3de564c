/** What is wrong with a configuration or a machine, and the error that it has to answer with. */

import { hostLocal, V4 } from "../../support/attachment-cases.ts";
import type { Need } from "../../support/needs.ts";
import type { Host } from "../../support/plugin-calls.ts";

/** The error codes. @see docs/errors.md */
export const VERSION = 1;
export const UNKNOWN_CONTAINER = 3;
export const ENVIRONMENT = 4;
export const FILE = 5;
export const DECODE = 6;
export const CONFIG = 7;
export const TRY_AGAIN = 11;
export const KERNEL = 100;
export const FEATURE = 101;
export const ADDRESS = 102;
export const CONFLICT = 103;

export interface Wrong {
  readonly name: string;
  readonly code: number;
  /** Words of our message: the field, the value. */
  readonly says: readonly string[];
  readonly config?: (host: Host) => Record<string, unknown>;
  readonly args?: string;
  readonly netns?: (host: Host) => string;
  readonly stdin?: string;
  readonly given?: (host: Host, container: { sh(command: string): string }) => void;
  /** Why the Go plugin takes it. */
  readonly theirsTakes?: string;
  readonly need?: Need;
}

/** What one plugin refuses. */
export interface PluginWrongs {
  readonly type: string;
  /** What all configurations have. */
  readonly base?: Readonly<Record<string, unknown>>;
  /** Commands run in the host before. */
  readonly given?: string;
  readonly list: readonly Wrong[];
}

type WrongValue = (path: string, value: unknown, more?: Partial<Wrong>) => Wrong;

/** Makes configurations that are right but for a value that a field cannot have. */
export function wrongValueIn(right: (host: Host) => Record<string, unknown>): WrongValue {
  return (path, value, more = {}) => {
    const shown = JSON.stringify(value);
    return {
      name: `${path} is ${shown}`,
      code: CONFIG,
      says: [`"${path}"`, shown],
      config: (host) => {
        const config = { ...right(host) };
        place(config, path.split("."), value);
        return config;
      },
      ...more,
    };
  };
}

/** Fields of ipam are below a host-local that is right. */
export const wrong = wrongValueIn((host) => ({ ipam: hostLocal(host, V4) }));

function place(config: Record<string, unknown>, [head = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) config[head] = value;
  else {
    const inner = { ...(config[head] as Record<string, unknown> | undefined) };
    place(inner, rest, value);
    config[head] = inner;
  }
}
