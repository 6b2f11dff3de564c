/** Configurations of bandwidth with one thing wrong each, and the error that it has to answer with. */

import { CONFIG, type PluginWrongs, type Wrong, wrongValueIn } from "./wrong.ts";

const prevResult = { interfaces: [{ name: "other" }, { name: "eth0", sandbox: "/run/netns/c1" }] };
const rates = { ingressRate: 8000, ingressBurst: 80_000, egressRate: 8000, egressBurst: 80_000 };
const wrong = wrongValueIn(() => ({ prevResult, ...rates }));
const ofRuntime = wrongValueIn(() => ({ prevResult, runtimeConfig: { bandwidth: rates } }));

const withFields = (name: string, fields: Record<string, unknown>, ...says: string[]): Wrong => ({
  name,
  code: CONFIG,
  says,
  config: () => ({ prevResult, ...fields }),
});

const FIELDS = Object.keys(rates);
const TOO_MUCH = 8 * 0xffffffff;

const list: readonly Wrong[] = [
  ...FIELDS.flatMap((field) => ["8000", -8, 0.5, true, [8000]].map((value) => wrong(field, value))),
  ...FIELDS.map((field) => ofRuntime(`runtimeConfig.bandwidth.${field}`, "1M")),
  wrong("ingressBurst", TOO_MUCH),
  wrong("egressBurst", TOO_MUCH),
  wrong("ingressRate", 7),
  wrong("egressRate", 1),
  { ...wrong("ingressRate", 0), says: ['"ingressRate" is missing', '"ingressBurst"'] },
  { ...wrong("ingressBurst", 0), says: ['"ingressBurst" is missing', '"ingressRate"'] },
  { ...wrong("egressRate", null), says: ['"egressRate" is missing', '"egressBurst"'] },
  { ...wrong("egressBurst", null), says: ['"egressBurst" is missing', '"egressRate"'] },
  {
    ...ofRuntime("runtimeConfig.bandwidth.egressBurst", 0),
    says: ['"runtimeConfig.bandwidth.egressBurst" is missing', '"egressRate"'],
  },
  wrong("runtimeConfig", "x"),
  wrong("runtimeConfig.bandwidth", [1]),
  withFields("no prevResult", { ...rates, prevResult: undefined }, '"prevResult" is missing'),
  withFields("a prevResult without interfaces", { ...rates, prevResult: {} }, '"prevResult"', '"eth0"'),
  withFields("no interface", rates, '"prevResult"', '"eth0"'),
  {
    ...withFields("an interface whose other end is not in the host", rates, '"prevResult"', '"eth0"'),
    given: (_, container) => container.sh("ip link add eth0 type veth peer name other"),
  },
  {
    ...withFields("an interface that is no end of a veth pair", rates, '"prevResult"', '"eth0"'),
    given: (_, container) => container.sh("ip link add eth0 type bridge"),
  },
];

export const bandwidth: PluginWrongs = { type: "bandwidth", list };
