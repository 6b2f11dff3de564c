/** BGP: what the node's BIRD is told whenever the cluster or the node is another. */

import type { Log } from "../cluster/log.ts";
import { errorMessage } from "../core/errors.ts";
import type { LocalNode } from "../modes/mode.ts";
import { Bird } from "./bird.ts";
import { birdConfig } from "./bird-config.ts";
import type { ClusterConfig } from "./config.ts";
import type { Picture } from "./picture.ts";

export interface BgpOptions {
  readonly config: ClusterConfig;
  readonly runFolder: string;
  readonly picture: Picture;
  readonly log: Log;
}

export class Bgp {
  readonly #options: BgpOptions;
  readonly #bird: Bird;
  #told = "";
  #problem: string | undefined;

  constructor(options: BgpOptions) {
    const { config, runFolder, log } = options;
    this.#options = options;
    this.#bird = new Bird({
      folder: `${runFolder}/bird`,
      program: config.bgp.bird,
      say: (level, message) => log[level](message),
    });
  }

  /** Why BIRD does not do what it is told; undefined when it does. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Tells BIRD what is new. It goes on with what it had until it has taken that. */
  update(local: LocalNode): void {
    const { config, picture, log } = this.#options;
    const nodes = [...picture.nodes.values()].flatMap(({ name, value }) =>
      name === config.node || value.gone ? [] : [{ name, addresses: value.addresses, ...value.bgp }],
    );
    const pools = [...picture.pools.values()].flatMap(({ value }) => value.cidrs);
    const prefixes = picture.prefixesOf(config.node);
    const text = birdConfig({ local, settings: config.bgp, nodes, pools, prefixes }, this.#bird.log);
    if (text === this.#told) return;
    this.#told = text;
    this.#bird.apply(text).then(
      () => {
        this.#problem = undefined;
      },
      (error) => {
        this.#problem = `BIRD does not run as it should: ${errorMessage(error)}`;
        // It is told again with the next change, or at the next look at all.
        this.#told = "";
        log.error("BIRD could not be told what is new", { error: errorMessage(error) });
      },
    );
  }

  /** Leaves BIRD running, so that no session ends with the agent. */
  leave(): void {
    this.#bird.leave();
  }
}
