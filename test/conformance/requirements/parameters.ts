import { demand, type Requirement } from "../requirement.ts";
import { type Outcome, type Request, type Stage, said, type Verb } from "../stage.ts";
import { demandState, settledState } from "../state.ts";
import type { Subject } from "../subject.ts";

const UNKNOWN_CONTAINER = 3;
const ENVIRONMENT = 4;

const BAD_IDS = ["-c1", ".c1", "a/b", "../c1", "a b", "a\nb"];
const BAD_NAMES = [".", "..", "a/b", "a:b", "a b", "sixteen-letters-"];

export const parameterRequirements: readonly Requirement[] = [
  ...required("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
  ...required("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"]),
  ...required("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"], "0.4.0"),
  ...required("GC", ["CNI_PATH"], "1.1.0"),
  {
    id: "command-unknown",
    section: "Error",
    level: "must",
    says: "an unknown CNI_COMMAND is refused with code 4 and its name",
    async judge(stage) {
      const container = await stage.container();
      demandRefused(await stage.fail("ADD", { container, env: { CNI_COMMAND: "FROB" } }), "CNI_COMMAND");
    },
  },
  {
    id: "container-id-malformed",
    section: "Parameters",
    level: "should",
    says: "a CNI_CONTAINERID that is none is refused with code 4 and its name",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      for (const id of BAD_IDS) {
        const outcome = await stage.call("ADD", { container: { ...container, id }, fields: { prevResult } });
        demand(outcome.status !== 0, `ADD takes ${JSON.stringify(id)}`);
        demandRefused(outcome, "CNI_CONTAINERID", JSON.stringify(id));
      }
    },
  },
  {
    id: "ifname-malformed",
    section: "Parameters",
    level: "must",
    says: "a CNI_IFNAME that the kernel cannot give is refused with code 4 and its name",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      for (const ifname of BAD_NAMES) {
        const outcome = await stage.call("ADD", { container: { ...container, ifname }, fields: { prevResult } });
        demand(outcome.status !== 0, `ADD takes "${ifname}"`);
        demandRefused(outcome, "CNI_IFNAME", `"${ifname}"`);
      }
    },
  },
  {
    id: "args-unknown",
    section: "Parameters",
    level: "must",
    says: "CNI_ARGS of Kubernetes are taken, with IgnoreUnknown",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      const CNI_ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=1-2-3";
      await stage.succeed("ADD", { container, fields: { prevResult }, env: { CNI_ARGS } });
    },
  },
  {
    id: "path-optional",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "ADD, CHECK and DEL of a plugin that calls no other work without CNI_PATH",
    unless: (subject) => (callsOthers(subject) ? "it calls an IPAM plugin" : undefined),
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      const env = { CNI_PATH: undefined };
      const { answer } = await stage.succeed("ADD", { container, fields: { prevResult }, env });
      const request: Request = { container, fields: { prevResult: answer }, env };
      if (stage.version >= "0.4.0") await stage.succeed("CHECK", request);
      await stage.succeed("DEL", request);
    },
  },
  {
    id: "namespace-unknown",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "ADD for a namespace that is not there fails and leaves nothing",
    of: ["interface", "chained"],
    async judge(stage) {
      const before = await settledState(stage);
      await addWithoutNamespace(stage);
      await demandState(stage, before, "after ADD for a namespace that is not there");
    },
  },
  {
    id: "namespace-unknown-code",
    section: "Error",
    level: "should",
    says: "and its code is 3",
    of: ["interface", "chained"],
    async judge(stage) {
      const outcome = await addWithoutNamespace(stage);
      demand(outcome.error?.code === UNKNOWN_CONTAINER, said(outcome));
    },
  },
];

/** The result that a chained plugin is given is that of another container. */
async function addWithoutNamespace(stage: Stage): Promise<Outcome> {
  const container = await stage.container();
  const prevResult = await stage.before(container);
  const lost = { ...container, netns: "/run/netns/there-is-none" };
  const outcome = await stage.fail("ADD", { container: lost, fields: { prevResult } });
  await stage.undoBefore(container, prevResult);
  return outcome;
}

function callsOthers({ kind, plugins }: Subject): boolean {
  return kind === "interface" && plugins.at(-1)?.ipam !== undefined;
}

/** A verb without each of the parameters that it cannot do without. */
function required(verb: Verb, variables: readonly string[], since?: string): Requirement[] {
  return [
    {
      id: `${verb.toLowerCase()}-parameters`,
      section: "Error",
      level: "must",
      says: `${verb} without ${variables.join(", ")} is refused with code 4 and the name`,
      ...(since === undefined ? {} : { since }),
      async judge(stage) {
        const container = await stage.container();
        const prevResult = await stage.before(container);
        const fields = verb === "GC" ? { "cni.dev/valid-attachments": [] } : { prevResult };
        for (const name of variables) {
          for (const value of [undefined, ""]) {
            const given = verb === "GC" ? {} : { container };
            const outcome = await stage.call(verb, { ...given, fields, env: { [name]: value } });
            demand(outcome.status !== 0, `${verb} succeeds without ${name}`);
            demandRefused(outcome, name);
          }
        }
      },
    },
  ];
}

function demandRefused(outcome: Outcome, variable: string, value = ""): void {
  const { code, msg, details } = outcome.error ?? {};
  demand(code === ENVIRONMENT, `${value} ${said(outcome)}`);
  demand(`${msg} ${details}`.includes(variable), `the message does not name ${variable}: ${said(outcome)}`);
}
