/** A pool of a few addresses is used up. */

import { agentStatus, isWithin } from "../agent-status.ts";
import { podAddresses } from "../attachment.ts";
import { addPod, deletePod, podResult } from "../change.ts";
import type { Play, Scenario } from "../scenario.ts";
import { waitForWays } from "../up.ts";
import { addPatiently, checkNoAddressTwice, checkReachability } from "./common.ts";

/** How long a node may take to get an address that another one has to spare, in milliseconds. */
const BORROWING_MS = 8_000;
/** So many pods node2 has beside its first one: it keeps some addresses free for more of them. */
const NEIGHBOURS = 18;
/** More than there are. */
const MOST = 64;

export const exhaustion: Scenario = {
  name: "exhaustion",
  about: "a node uses up a pool of 64 addresses: it borrows what others do not need, then says that none is left",
  file: `# Two blocks of 32 addresses for two nodes.
name: small
mode: host-gw
pods: [10.250.0.0/26]
blockSize: {ipv4: 27}
subnets:
  - name: lan
    prefixes: [172.20.1.0/24]
nodes:
  - name: node1
    subnet: lan
    pods: [web]
  - name: node2
    subnet: lan
    pods: [web]
`,
  async play(play) {
    const { lab } = play.record();
    for (let i = 0; i < NEIGHBOURS; i++) addPod(lab.name, `node2/p${i}`);
    const pods: string[] = [];
    let refusal: string | undefined;
    while (refusal === undefined && pods.length < MOST) {
      const path = `node1/p${pods.length}`;
      refusal = await addPatiently(lab.name, path, BORROWING_MS);
      if (refusal === undefined) pods.push(path);
    }
    play.check(
      "ADD is refused with a sentence when nobody has an address to spare",
      refusal ?? `${MOST} pods were attached`,
      refusal !== undefined,
    );
    await waitForWays(play.record().lab);
    await checkBorrowed(play, pods);
    await checkNoAddressTwice(play);
    checkReachability(play, ", pods with borrowed addresses too");
    const last = pods.at(-1) ?? "";
    play.step("one pod goes, another comes");
    deletePod(lab.name, last);
    const again = await addPatiently(lab.name, last, BORROWING_MS);
    play.check("an address that is given back can be had again", again ?? `${last} is attached`, again === undefined);
  },
};

/** What node1 has out of node2's blocks, node2 knows the way to. */
async function checkBorrowed({ record, check }: Play, pods: readonly string[]): Promise<void> {
  const { lab } = record();
  const seen = (await agentStatus(lab.name, "node2"))?.peers.find(({ name }) => name === "node1");
  const single = (seen?.prefixes ?? []).filter((prefix) => prefix.endsWith("/32"));
  const held = pods.flatMap((path) => podAddresses(podResult(lab, path) ?? {}));
  const used = single.filter((prefix) => held.some((address) => isWithin(address, [prefix])));
  check(
    "addresses of node2's block are lent to node1, and node2 has a route to each",
    used.length === 0 ? `node1's networks are ${seen?.prefixes.join(", ")}` : used.join(", "),
    used.length > 0,
  );
}
