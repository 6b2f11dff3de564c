import { demand, type Requirement } from "../requirement.ts";
import { type Attached, type Container, type Result, type Stage, said } from "../stage.ts";
import { addressesOf, demandState, demandWhole, interfaceOf, ownAddresses, settledState } from "../state.ts";
import { hasFixedAddresses, type Subject } from "../subject.ts";

const CONFIGURATION = 7;

const adjusts = ({ interfaceIsThere }: Subject) =>
  interfaceIsThere ? "the interface is there before and stays" : undefined;

/** An interface of somebody else. */
const FOREIGN = "ip link add eth0 address 02:00:00:00:00:99 type veth peer name other0";

export const addRequirements: readonly Requirement[] = [
  {
    id: "add-interface",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "ADD makes the interface of CNI_IFNAME in CNI_NETNS, and lists it so",
    ofKernel: true,
    of: ["interface"],
    async judge(stage) {
      const attached = await stage.attach();
      const link = await interfaceOf(stage, attached);
      demand(link !== undefined, `there is no "${attached.ifname}"`);
      const inside = attached.result.interfaces?.filter(({ sandbox }) => sandbox) ?? [];
      const listed = inside.find(({ name }) => name === attached.ifname);
      demand(listed !== undefined, `the result lists ${JSON.stringify(attached.result.interfaces)}`);
      demand(listed.sandbox === attached.netns, `its sandbox is "${listed.sandbox}"`);
      demand((listed.mac ?? link.address).toLowerCase() === link.address, `its MAC is ${listed.mac}`);
      demand((listed.mtu || link.mtu) === link.mtu, `its MTU is ${listed.mtu}`);
    },
  },
  {
    id: "add-addresses",
    section: "ADD Success",
    level: "must",
    says: "addresses and routes of the result are in the container",
    ofKernel: true,
    of: ["interface", "chained"],
    async judge(stage) {
      const attached = await stage.attach();
      const has = addressesOf(await interfaceOf(stage, attached));
      const missing = ownAddresses(attached).filter((address) => !has.includes(address));
      demand(missing.length === 0, `missing: ${missing.join(", ")}`);
      for (const { dst } of attached.result.routes ?? []) {
        const version = dst.includes(":") ? "-6" : "-4";
        const routes = await stage.inside(
          attached,
          `ip ${version} route show table all root ${dst} | grep -v "table local"`,
        );
        demand(routes.trim() !== "", `there is no route to ${dst}`);
      }
    },
  },
  {
    id: "add-existing",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "ADD fails where an interface of the name exists, and leaves that one alone",
    ofKernel: true,
    of: ["interface"],
    unless: adjusts,
    async judge(stage) {
      const container = await stage.container();
      await stage.inside(container, FOREIGN);
      await stage.fail("ADD", { container });
      await demandForeign(stage, container, "after ADD");
    },
  },
  {
    id: "add-existing-undone",
    section: "ADD: Add container to network, or apply modifications",
    level: "promised",
    says: "an ADD that fails so leaves nothing on the node",
    of: ["interface"],
    unless: adjusts,
    async judge(stage) {
      const before = await settledState(stage);
      const container = await stage.container();
      await stage.inside(container, FOREIGN);
      await stage.fail("ADD", { container });
      await demandState(stage, before, "after ADD");
    },
  },
  {
    id: "add-existing-deleted",
    section: "Lifecycle & Ordering",
    level: "promised",
    says: "the DEL after an ADD that failed so leaves somebody else's interface alone",
    of: ["interface"],
    unless: adjusts,
    async judge(stage) {
      const container = await stage.container();
      await stage.inside(container, FOREIGN);
      await stage.fail("ADD", { container });
      await stage.succeed("DEL", { container });
      await demandForeign(stage, container, "after DEL");
    },
  },
  {
    id: "add-twice",
    section: "ADD: Add container to network, or apply modifications",
    level: "promised",
    says: "a second ADD without DEL leaves what the first one made as it is",
    async judge(stage) {
      const attached = await stage.attach();
      const prevResult = stage.subject.kind === "chained" ? attached.result : undefined;
      const again = await stage.call("ADD", { container: attached, fields: { prevResult } });
      await demandWhole(stage, attached, `after a second ADD (${again.status === 0 ? "which succeeds" : said(again)})`);
      // An address that the second one has given back would go to the next container.
      const next = await stage.attach();
      const common = addresses(next).filter((address) => addresses(attached).includes(address));
      const isShared = common.length > 0 && !hasFixedAddresses(stage.subject);
      demand(!isShared, `after a second ADD the next container gets ${common.join(", ")} too`);
    },
  },
  {
    id: "add-second-interface",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "a container is added to the network once more by another interface",
    ofKernel: true,
    of: ["interface", "ipam"],
    unless: adjusts,
    async judge(stage) {
      const first = await stage.attach();
      const second = await stage.attach(await stage.container({ ...first, ifname: "net1" }));
      await demandWhole(stage, first, "after a second interface's ADD");
      await demandWhole(stage, second, "after a second interface's ADD");
      const common = addresses(first).filter((address) => addresses(second).includes(address));
      demand(common.length === 0 || hasFixedAddresses(stage.subject), `both have ${common.join(", ")}`);
    },
  },
  {
    id: "previous-result-kept",
    section: "ADD Success",
    level: "must",
    says: "the result has all that prevResult has",
    ofKernel: true,
    of: ["chained"],
    async judge(stage) {
      for (const version of stage.supported.filter((each) => each >= "0.3.0")) {
        const versioned = stage.with({ version });
        const container = await versioned.container();
        const before = (await versioned.before(container)) as Result;
        const named = { ...before, dns: { nameservers: ["10.0.0.1"], search: ["example"] } };
        const { answer } = await versioned.succeed("ADD", { container, fields: { prevResult: named } });
        demandKept(answer as Result, named, version);
      }
    },
  },
  {
    id: "previous-result-of-interface",
    section: "ADD: Add container to network, or apply modifications",
    level: "must",
    says: "an interface plugin that is given a prevResult hands it on too",
    of: ["interface"],
    async judge(stage) {
      const container = await stage.container();
      const { answer } = await stage.succeed("ADD", { container, fields: { prevResult: earlier(stage, container) } });
      demandKept(answer as Result, earlier(stage, container), stage.version);
    },
  },
  {
    id: "previous-result-missing",
    section: "CNI operations",
    level: "promised",
    says: "ADD of a chained plugin without prevResult is refused with code 7",
    of: ["chained"],
    async judge(stage) {
      const container = await stage.container();
      await stage.before(container);
      const outcome = await stage.fail("ADD", { container });
      demand(outcome.error?.code === CONFIGURATION, said(outcome));
    },
  },
];

async function demandForeign(stage: Stage, container: Container, after: string): Promise<void> {
  const link = await interfaceOf(stage, container);
  demand(link?.address === "02:00:00:00:00:99", `${after} somebody else's "${container.ifname}" is gone`);
}

function addresses({ result }: Attached): string[] {
  return (result.ips ?? []).map(({ address }) => address);
}

/** The result of a plugin that made another interface of the container before. */
function earlier({ version }: Stage, { netns }: Container): Result {
  return {
    cniVersion: version,
    interfaces: [{ name: "first0", mac: "02:00:00:00:00:01", sandbox: netns }],
    ips: [{ address: "192.0.2.7/24", interface: 0 }],
    routes: [{ dst: "198.51.100.0/24", gw: "192.0.2.1" }],
  };
}

/** Interfaces may have come to it, also before; each address still points to the one that it had. */
function demandKept(result: Result, given: Result, version: string): void {
  const interfaceNames = (result.interfaces ?? []).map(({ name }) => name);
  for (const { name } of given.interfaces ?? []) {
    demand(interfaceNames.includes(name), `${version}: the interface "${name}" is missing`);
  }
  for (const ip of given.ips ?? []) {
    const kept = result.ips?.find(({ address }) => address === ip.address);
    demand(kept !== undefined, `${version}: the address ${ip.address} is missing`);
    const [was, is] = [given.interfaces?.[ip.interface ?? -1]?.name, interfaceNames[kept.interface ?? -1]];
    demand(was === is, `${version}: the address ${ip.address} of "${was}" is that of "${is}"`);
    demand(kept.gateway === ip.gateway, `${version}: the gateway of ${ip.address} is ${kept.gateway}`);
  }
  for (const { dst, gw } of given.routes ?? []) {
    const kept = result.routes?.some((route) => route.dst === dst && route.gw === gw);
    demand(kept === true, `${version}: the route to ${dst} is missing`);
  }
  if (given.dns !== undefined) {
    const [is, was] = [result.dns ?? {}, given.dns].map((dns) => JSON.stringify(sorted(dns)));
    demand(is === was, `${version}: dns is ${is}`);
  }
}

function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
