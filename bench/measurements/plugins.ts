import { existsSync } from "node:fs";
import { executableOf, inIpv4, type Subject } from "../../test/conformance/subject.ts";
import { subjects } from "../../test/conformance/subjects.ts";
import { kernelLink } from "../../test/support/kernel.ts";
import { type Contender, compare, contenderOn } from "../attachment.ts";
import { makePods, type Side, shell } from "../host.ts";
import { type Bench, interleave, type Measurement } from "../measurement.ts";

export const plugins: Measurement = {
  about: "each plugin by itself, in IPv4, as the conformance suite configures it; of chained ones the last alone",
  run(bench: Bench) {
    // The peer waits for each IPv6 address until nobody else can have it, for seconds: nothing would be seen but that.
    return subjects.map(inIpv4).flatMap((subject) => {
      const missing = whatIsMissing(bench, subject);
      if (missing !== undefined) {
        bench.say(`  left out: ${subject.name}: ${missing}`);
        return [];
      }
      const sides = [bench.ours, bench.resident, bench.peer].map((side) => prepare(bench, side, subject));
      const [ours, resident, peer] = sides as [Contender, Contender, Contender];
      interleave(
        bench.rounds,
        sides.map(({ once }) => once),
      );
      return [resident, ours].flatMap((each) => compare(subject.name, each, peer, { add: 0.75 }).slice(0, 2));
    });
  },
};

function prepare(bench: Bench, side: Side, subject: Subject): Contender {
  const host = bench.host(side);
  if (subject.given !== undefined) shell(host, subject.given);
  const [pod] = makePods(1);
  if (pod === undefined) throw new Error("There is no pod");
  return contenderOn(host, pod, subject, { only: "last" });
}

function whatIsMissing({ ours, peer }: Bench, subject: Subject): string | undefined {
  const name = executableOf(subject);
  for (const side of [ours, peer]) {
    if (!existsSync(`${side.plugins}/${name}`)) return `${side.name} has no such plugin`;
  }
  return subject.link === undefined ? undefined : kernelLink(subject.link)();
}
