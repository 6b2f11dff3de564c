/** A simulated controller, which does what in Kubernetes no agent does; there may be two, neither of which knows better. */

import { ifUnchanged, Reclaim } from "../../src/cluster/reclaim.ts";
import type { Since } from "../../src/cluster/since.ts";
import { planReservations } from "../../src/controller/reservations.ts";
import { newProcess, type SimulatedProcess } from "../support/simulated-store.ts";
import { Loops } from "./loops.ts";
import { GRACE, KEEP, type World } from "./world.ts";

export class SimulatedController {
  readonly name: string;
  readonly #world: World;
  #process: SimulatedProcess = newProcess();
  #loops: Loops;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.#loops = new Loops(world.failed);
    this.#start();
  }

  get process(): SimulatedProcess {
    return this.#process;
  }

  tick(): void {
    if (!this.#process.paused) this.#loops.tick();
  }

  /** Another process goes on in the place of this one. */
  crash(): void {
    this.#process.dead = true;
    this.#process = newProcess();
    this.#loops = new Loops(this.#world.failed);
    this.#start();
  }

  #start(): void {
    const { truth, cluster } = this.#world;
    const store = cluster(this.#process);
    const clock = () => truth.now;
    const reclaim = new Reclaim(store, { clock, patience: GRACE });
    this.#loops.start("look", async () => void (await reclaim.look()));
    let memory: Since = new Map();
    this.#loops.start("reservations", async () => {
      const reservations = await store.reservations.list();
      const pods = this.#pods();
      const plan = planReservations({ reservations, pods, statefulSets: new Map() }, memory, {
        now: clock(),
        ownerGrace: KEEP,
      });
      ({ memory } = plan);
      for (const change of plan.changes) {
        if (change.type !== "end-reservation" || this.#pods().has(change.reservation.value.owner)) continue;
        await ifUnchanged(() => store.reservations.delete(change.reservation));
      }
    });
  }

  /** As the API server knows them. */
  #pods() {
    const keys = [...this.#world.truth.pods.values()].flatMap(({ key }) => key ?? []);
    return new Map(keys.map((name) => [name, { name, value: { addresses: [] }, revision: "" }]));
  }
}
