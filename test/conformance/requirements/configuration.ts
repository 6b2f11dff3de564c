import { demand, type Requirement } from "../requirement.ts";
import { type Container, type Outcome, type Stage, said } from "../stage.ts";
import { demandState, settledState } from "../state.ts";

const DECODE = 6;
const CONFIGURATION = 7;

export const configurationRequirements: readonly Requirement[] = [
  {
    id: "json-invalid",
    section: "Error",
    level: "must",
    says: "input that is no JSON is refused with code 6",
    async judge(stage) {
      const container = await stage.container();
      for (const stdin of ["no JSON", '{"cniVersion": "1.0.0", "name": "net", "type": "bri', "[]"]) {
        const outcome = await stage.fail("ADD", { container, stdin });
        demand(outcome.error?.code === DECODE, `${JSON.stringify(stdin)}: ${said(outcome)}`);
      }
    },
  },
  {
    id: "name-malformed",
    section: "Configuration format",
    level: "must",
    says: "a network without a name, or with one that is none, is refused with code 7",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      for (const name of [undefined, "", "a/b", "../net", "-net", "a b"]) {
        const outcome = await stage.call("ADD", { container, fields: { prevResult, name } });
        demand(outcome.status !== 0, `ADD takes ${JSON.stringify(name)}`);
        demand(outcome.error?.code === CONFIGURATION, `${JSON.stringify(name)}: ${said(outcome)}`);
      }
    },
  },
  {
    id: "fields-wrong",
    section: "Error",
    level: "should",
    says: "fields with wrong types or values are refused with code 6 or 7, and nothing is changed",
    async judge(stage) {
      const before = await settledState(stage);
      const container = await stage.container();
      const prevResult = await stage.before(container);
      const common = [{ runtimeConfig: "x" }, { prevResult: 7 }, { dns: { nameservers: "10.0.0.1" } }];
      for (const fields of [...common, ...(stage.subject.wrong ?? [])]) {
        const outcome = await stage.call("ADD", { container, fields: { prevResult, ...fields } });
        demand(outcome.status !== 0, `ADD takes ${JSON.stringify(fields)}`);
        const code = outcome.error?.code;
        demand(code === DECODE || code === CONFIGURATION, `${JSON.stringify(fields)}: ${said(outcome)}`);
      }
      await stage.undoBefore(container, prevResult);
      await demandState(stage, before, "after wrong configurations");
    },
  },
  {
    id: "fields-of-runtime",
    section: "Plugin configuration objects",
    level: "promised",
    says: "keys of the runtime that it does not know are of no harm",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      const later = { "cni.dev/something-new": { deep: [1] }, args: { cni: { labels: [{ key: "a", value: "b" }] } } };
      const { answer } = await stage.succeed("ADD", { container, fields: { prevResult, ...later } });
      await stage.succeed("DEL", { container, fields: { prevResult: answer, ...later } });
    },
  },
  {
    id: "error-form",
    section: "Error",
    level: "should",
    says: "an error is a JSON object with code and msg on standard output",
    async judge(stage) {
      const { stdout, error } = await someError(stage, await stage.container());
      demand(error !== undefined, `standard output is ${JSON.stringify(stdout.slice(0, 100))}`);
      demand(Number.isInteger(error.code) && Number(error.code) > 0, `its code is ${error.code}`);
      demand(typeof error.msg === "string" && error.msg !== "", `its msg is ${JSON.stringify(error.msg)}`);
      demand(error.details === undefined || typeof error.details === "string", "its details are no text");
    },
  },
  {
    id: "error-version",
    section: "Error",
    level: "should",
    says: "an error carries the configuration's cniVersion",
    async judge(stage) {
      for (const version of stage.supported) {
        const { error } = await someError(stage.with({ version }), await stage.container());
        const { cniVersion } = (error ?? {}) as { cniVersion?: unknown };
        demand(cniVersion === version, `for "${version}" it is ${JSON.stringify(cniVersion)}`);
      }
    },
  },
];

/** An error whose cause is in the configuration, whose version is known. */
function someError({ fail }: Stage, container: Container): Promise<Outcome> {
  return fail("ADD", { container, fields: { name: "a/b" } });
}
