import { Deviation, demand, type Requirement } from "../requirement.ts";
import { EXTRA_PLUGINS, type Stage, said, type Verb } from "../stage.ts";
import { interfaceOf } from "../state.ts";
import type { Subject } from "../subject.ts";

const section = "Delegated plugin execution procedure";
const of = ["interface"] as const;
const unless = ({ plugins }: Subject) => (plugins.at(-1)?.ipam === undefined ? "it calls no IPAM plugin" : undefined);

/** What the IPAM plugin answers that these requirements bring with them. */
const ADDRESS = "10.99.0.7/24";
const ERROR_CODE = 142;

/** What it was called with. */
interface Recorded {
  readonly variables: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
}

export const delegationRequirements: readonly Requirement[] = [
  {
    id: "delegate-call",
    section,
    level: "must",
    says: "the IPAM plugin is called with the same parameters and the whole configuration, and its address is used",
    of,
    unless,
    async judge(stage) {
      const delegating = withRecorder(stage);
      const verbs: Verb[] = stage.version >= "0.4.0" ? ["ADD", "CHECK", "DEL"] : ["ADD", "DEL"];
      const container = await stage.container();
      const env = { CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAME=web" };
      let prevResult: unknown;
      for (const verb of verbs) {
        const { answer } = await delegating.succeed(verb, { container, fields: { prevResult, extra: [1] }, env });
        if (verb === "ADD") {
          prevResult = answer;
          const has = (await interfaceOf(stage, container))?.addr_info.map(({ local }) => local) ?? [];
          demand(has.includes(ADDRESS.replace(/\/.*/, "")), `the interface has ${has.join(", ")}`);
        }
        const call = recorded(stage).at(-1);
        demand(call?.variables.CNI_COMMAND === verb, `${verb} is not handed on`);
        const { CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS } = call.variables;
        const { id, netns, ifname } = container;
        const same = CNI_CONTAINERID === id && CNI_NETNS === netns && CNI_IFNAME === ifname;
        demand(same && CNI_ARGS === env.CNI_ARGS, `${verb} has ${JSON.stringify(call.variables)}`);
        demand(Bun.deepEquals(call.config.extra, [1]), `${verb} lacks a field of the configuration`);
        demand(
          call.config.type !== "recorder" && call.config.name === stage.network,
          `${verb} has another configuration`,
        );
      }
    },
  },
  {
    id: "delegate-add-fails",
    section,
    level: "should",
    says: "when the IPAM plugin's ADD fails, so does the plugin, which calls its DEL before",
    of,
    unless,
    async judge(stage) {
      const container = await stage.container();
      const outcome = await withRecorder(stage, "ADD").fail("ADD", { container });
      demand(outcome.error?.code === ERROR_CODE, `its error is not passed on: ${said(outcome)}`);
      const verbs = recorded(stage).map(({ variables }) => variables.CNI_COMMAND);
      demand(verbs.join() === "ADD,DEL", `the IPAM plugin is called for ${verbs.join(", ")}`);
    },
  },
  {
    id: "delegate-undone",
    section,
    level: "promised",
    says: "when the plugin's ADD fails after the IPAM plugin's, the address is given back",
    of,
    unless,
    async judge(stage) {
      const container = await stage.container();
      // A route by a multicast address, which the kernel refuses.
      const impossible = [{ dst: "198.51.100.0/24", gw: "224.0.0.9" }];
      await withRecorder(stage, undefined, impossible).fail("ADD", { container });
      const verbs = recorded(stage).map(({ variables }) => variables.CNI_COMMAND);
      demand(verbs.at(0) === "ADD" && verbs.at(-1) === "DEL", `the IPAM plugin is called for ${verbs.join(", ")}`);
    },
  },
  ...(["CHECK", "DEL", "GC", "STATUS"] as const).map(
    (verb): Requirement => ({
      id: `delegate-${verb.toLowerCase()}-fails`,
      section: verb === "STATUS" ? "STATUS: Check plugin status" : section,
      level: "must",
      says: `${verb} is handed on to the IPAM plugin, and its error passed on`,
      since: verb === "CHECK" ? "0.4.0" : verb === "DEL" ? "0.1.0" : "1.1.0",
      of,
      unless,
      async judge(stage) {
        const ofNetwork = verb === "GC" || verb === "STATUS";
        const list = [{ containerID: "one", ifname: "eth0" }];
        const ask = async (failing?: Verb) => {
          const { result, ...container } = await withRecorder(stage).attach();
          const fields = verb === "GC" ? { "cni.dev/valid-attachments": list } : { prevResult: result };
          const request = ofNetwork ? { fields: verb === "GC" ? fields : {} } : { container, fields };
          return withRecorder(stage, failing).call(verb, request);
        };
        const fine = await ask();
        demand(fine.status === 0, said(fine));
        const call = recorded(stage).at(-1);
        demand(call?.variables.CNI_COMMAND === verb, "it is not handed on");
        const valid = call.config["cni.dev/valid-attachments"];
        demand(verb !== "GC" || Bun.deepEquals(valid, list), `the list is ${JSON.stringify(valid)}`);
        const outcome = await ask(verb);
        demand(outcome.status !== 0, "it succeeds although the IPAM plugin failed");
        const told = `${outcome.error?.code} ${outcome.error?.msg} ${outcome.error?.details}`;
        if (!told.includes("a made-up error")) throw new Deviation(`its error is not passed on: ${said(outcome)}`);
      },
    }),
  ),
  {
    id: "delegate-namespace-gone",
    section: "DEL: Remove container from network, or un-apply modifications",
    level: "must",
    says: "DEL is handed on to the IPAM plugin also when the namespace is gone",
    of,
    unless,
    async judge(stage) {
      const delegating = withRecorder(stage);
      const { result, ...container } = await delegating.attach();
      stage.node.sh(`ip netns delete ${container.netns.replace("/run/netns/", "")}`);
      const fields = { prevResult: result };
      await delegating.succeed("DEL", { container, fields, env: { CNI_NETNS: "" } });
      demand(recorded(stage).at(-1)?.variables.CNI_COMMAND === "DEL", "it is not handed on");
    },
  },
  {
    id: "delegate-words",
    section,
    level: "should",
    says: "what the IPAM plugin writes to standard error is seen",
    of,
    unless,
    async judge(stage) {
      const { stderr } = await withRecorder(stage).succeed("ADD", { container: await stage.container() });
      demand(stderr.includes("recorder: ADD"), `standard error is ${JSON.stringify(stderr)}`);
    },
  },
  {
    id: "delegate-unknown",
    section,
    level: "must",
    says: "ADD fails when there is no IPAM plugin of the name on CNI_PATH",
    of,
    unless,
    async judge(stage) {
      const nobody = stage.with({ fields: { ipam: { type: "there-is-none" } } });
      await nobody.fail("ADD", { container: await stage.container() });
    },
  },
];

const LOG = "/run/recorded";
const END = "=== end of a call ===";

/** The stage with an IPAM plugin that notes its calls, and fails one of the verbs. */
function withRecorder(stage: Stage, failing?: Verb, routes: readonly object[] = []): Stage {
  const { node, version } = stage;
  const family = version < "1.0.0" ? { version: "4" } : {};
  const result = { cniVersion: version, ips: [{ ...family, address: ADDRESS, gateway: "10.99.0.1" }], routes };
  const error = { cniVersion: version, code: ERROR_CODE, msg: "a made-up error" };
  const script = `#!/bin/sh
{ env | grep ^CNI_; echo; cat; echo; echo "${END}"; } >>${LOG}
echo "recorder: $CNI_COMMAND" >&2
case $CNI_COMMAND in
${failing ?? "none"}) echo '${JSON.stringify(error)}'; exit 1 ;;
ADD) echo '${JSON.stringify(result)}' ;;
VERSION) echo '${JSON.stringify({ cniVersion: version, supportedVersions: stage.supported })}' ;;
esac
`;
  node.write(`${EXTRA_PLUGINS}/recorder`, script);
  node.sh(`chmod +x ${EXTRA_PLUGINS}/recorder`);
  return stage.with({ fields: { ipam: { type: "recorder" } } });
}

/** The calls so far, without those for its version. */
function recorded({ node }: Stage): Recorded[] {
  const calls = node.run(["cat", LOG]).stdout.split(`${END}\n`).slice(0, -1);
  return calls
    .map((text) => {
      const [variables = "", config = ""] = text.split("\n\n");
      const pairs = variables.split("\n").map((line) => /^([^=]*)=(.*)$/.exec(line)?.slice(1) ?? []);
      return { variables: Object.fromEntries(pairs), config: parse(config) };
    })
    .filter(({ variables }) => variables.CNI_COMMAND !== "VERSION");
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
