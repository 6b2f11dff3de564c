import { demand, type Requirement } from "../requirement.ts";
import { said } from "../stage.ts";
import { demandState, settled } from "../state.ts";

const section = "STATUS: Check plugin status";
const since = "1.1.0";
const NOT_AVAILABLE = [50, 51];

export const statusRequirements: readonly Requirement[] = [
  {
    id: "status-ready",
    section,
    level: "must",
    says: "STATUS succeeds, without output, when ADD does",
    since,
    async judge(stage) {
      const { stdout } = await stage.succeed("STATUS");
      demand(stdout.trim() === "", `it prints ${stdout}`);
      await stage.attach();
      await stage.succeed("STATUS");
    },
  },
  {
    id: "status-changes-nothing",
    section,
    level: "promised",
    says: "STATUS changes nothing",
    since,
    async judge(stage) {
      const before = await settled(stage);
      await stage.succeed("STATUS");
      await demandState(stage, before, "after STATUS");
    },
  },
  {
    id: "status-obstacle",
    section,
    level: "must",
    says: "STATUS fails with code 50 or 51 when something stands in the way of ADD",
    ofKernel: true,
    since,
    unless: ({ obstacles = [] }) =>
      obstacles.length === 0 ? "it is not known what could stand in the way" : undefined,
    async judge(stage) {
      for (const { what, sh, config = {}, attachments = 0 } of stage.subject.obstacles ?? []) {
        const hindered = stage.with({ fields: config, network: `hindered-${attachments}` });
        for (let i = 0; i < attachments; i++) await hindered.attach();
        const container = await hindered.container();
        const prevResult = await hindered.before(container);
        stage.node.sh(sh);
        const outcome = await hindered.call("STATUS");
        demand(outcome.status !== 0, `STATUS succeeds when ${what}`);
        demand(NOT_AVAILABLE.includes(Number(outcome.error?.code)), `when ${what}: ${said(outcome)}`);
        const added = await hindered.call("ADD", { container, fields: { prevResult } });
        if (added.status === 0) throw new Error(`ADD succeeds when ${what}: that is no obstacle`);
      }
    },
  },
  {
    id: "status-wrong-fields",
    section,
    level: "promised",
    says: "STATUS fails for a configuration that ADD refuses",
    since,
    unless: ({ wrong = [] }) => (wrong.length === 0 ? "no wrong field is known" : undefined),
    async judge(stage) {
      for (const fields of stage.subject.wrong ?? []) {
        const outcome = await stage.call("STATUS", { fields });
        demand(outcome.status !== 0, `STATUS takes ${JSON.stringify(fields)}`);
      }
    },
  },
];
