/** The cluster's addresses within one node, against the goal of 5,000 a second and of one write for 32 of them. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryStore } from "../../src/store/directory/directory-store.ts";
import { measureAllocation } from "../allocation.ts";
import type { Bench, Measurement, Sample } from "../measurement.ts";

const ADDRESSES = 5000;
const WRITES_PER_ADDRESS = 1 / 32;

export const addresses: Measurement = {
  about: `${ADDRESSES} addresses of the cluster given on one node, then each given and released`,
  async run(bench: Bench) {
    const [giving, turning, goal]: [Sample[], Sample[], Sample[]] = [[], [], []];
    let fault: string | undefined;
    for (let round = 0; round < Math.max(3, Math.ceil(bench.rounds / 20)); round++) {
      const folder = mkdtempSync(join(tmpdir(), "tendril-bench-addresses-"));
      mkdirSync(join(folder, "store"));
      const store = new DirectoryStore(join(folder, "store"));
      try {
        const rate = await measureAllocation(store, join(folder, "addresses.sqlite"), ADDRESSES);
        giving.push(rate.giving);
        turning.push(rate.turning);
        goal.push({ wall: 1000, cpu: 1000 });
        bench.say(`  ${rate.writes} writes to the store for ${rate.addresses} addresses`);
        if (rate.writes > rate.addresses * WRITES_PER_ADDRESS) fault = `${rate.writes} writes to the store`;
      } finally {
        await store.close();
        rmSync(folder, { recursive: true });
      }
    }
    const against = { name: "5,000 a second", samples: goal };
    const shared = { against, goal: 1, ...(fault === undefined ? {} : { fault }) };
    return [
      { what: `${ADDRESSES} addresses given`, measured: { name: "tendril", samples: giving }, ...shared },
      { what: `${ADDRESSES} given and released`, measured: { name: "tendril", samples: turning }, ...shared },
    ];
  },
};
