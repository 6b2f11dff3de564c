import { Deviation, demand, type Requirement } from "../requirement.ts";
import { problemsOfResult } from "../result-shape.ts";
import { said } from "../stage.ts";

const VERSION = /^[0-9]+\.[0-9]+\.[0-9]+$/;
const INCOMPATIBLE = 1;

/** The verbs that came later than the first ones, with the version that brought them. */
const LATER = { CHECK: "0.4.0", STATUS: "1.1.0", GC: "1.1.0" } as const;

export const versionRequirements: readonly Requirement[] = [
  {
    id: "version-list",
    section: "VERSION Success",
    level: "must",
    says: "VERSION prints the versions that it supports",
    async judge({ call }) {
      const { status, answer, stdout } = await call("VERSION", { stdin: '{"cniVersion":"1.0.0"}' });
      const { cniVersion, supportedVersions } = (answer ?? {}) as { cniVersion?: unknown; supportedVersions?: unknown };
      demand(status === 0, `exit status ${status}`);
      demand(typeof cniVersion === "string" && VERSION.test(cniVersion), `no cniVersion: ${stdout}`);
      demand(
        Array.isArray(supportedVersions) && supportedVersions.length > 0 && supportedVersions.every(isVersion),
        `no list of versions: ${stdout}`,
      );
    },
  },
  {
    id: "version-of-input",
    section: "VERSION Success",
    level: "must",
    says: "cniVersion of VERSION's answer is the one of the input",
    async judge({ call, supported }) {
      for (const cniVersion of supported) {
        const { answer } = await call("VERSION", { stdin: JSON.stringify({ cniVersion }) });
        const told = (answer as { cniVersion?: unknown } | undefined)?.cniVersion;
        demand(told === cniVersion, `for "${cniVersion}" it is "${told}"`);
      }
    },
  },
  {
    id: "version-alone",
    section: "VERSION: probe plugin version support",
    level: "must",
    says: "VERSION needs no parameter but CNI_COMMAND",
    async judge({ succeed }) {
      await succeed("VERSION", { stdin: '{"cniVersion":"1.0.0"}', env: { CNI_PATH: undefined } });
    },
  },
  {
    id: "version-unknown",
    section: "Error",
    level: "must",
    says: "a configuration in an unknown version is refused with code 1",
    async judge(stage) {
      const container = await stage.container();
      const prevResult = await stage.before(container);
      const fields = { cniVersion: "9.9.9", prevResult };
      const { error } = await stage.fail("ADD", { container, fields });
      demand(error?.code === INCOMPATIBLE, `the code is ${error?.code}`);
    },
  },
  {
    id: "version-of-verb",
    section: "CNI operations",
    level: "should",
    says: "a verb that is younger than the configuration's version is refused with code 1",
    async judge(stage) {
      const container = await stage.container();
      for (const [verb, since] of Object.entries(LATER)) {
        const older = stage.supported.filter((version) => version < since).at(-1);
        if (older === undefined || !stage.supported.includes(since)) continue;
        const outcome = await stage.with({ version: older }).fail(verb as keyof typeof LATER, { container });
        demand(outcome.error?.code === INCOMPATIBLE, `${verb} in ${older}: ${said(outcome)}`);
      }
    },
  },
  {
    id: "result-of-version",
    section: "ADD Success",
    level: "must",
    says: "the result has the form of the configuration's version, for each version",
    async judge(stage) {
      // Chains came with version 0.3.0.
      const { kind } = stage.subject;
      for (const version of stage.supported.filter((each) => kind !== "chained" || each >= "0.3.0")) {
        const versioned = stage.with({ version });
        const attached = await versioned.attach();
        const problems = problemsOfResult(attached.result, version, kind === "ipam");
        if (problems.length > 0) throw new Deviation(`${version}: ${problems.join("; ")}`);
        await versioned.detach(attached);
      }
    },
  },
];

function isVersion(value: unknown): boolean {
  return typeof value === "string" && VERSION.test(value);
}
