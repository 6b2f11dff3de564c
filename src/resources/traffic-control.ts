/** The kinds of resources of traffic control, which are loaded together. */

export { filter } from "./filter.ts";
export { qdisc } from "./qdisc.ts";
