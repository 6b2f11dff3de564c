/** Links without a parent and without data of their kind: dummy and ifb. */

import type { PlainLink } from "../../core/plan.ts";
import { createLink } from "../../linux/netlink/rtnetlink/link/link.ts";
import { commandIn } from "../resource.ts";
import { creationError, differences, findOwn, type LinkType, nameWords, removeOwn } from "./type.ts";

const FEATURES: Readonly<Record<PlainLink["type"], string>> = { dummy: "CONFIG_DUMMY", ifb: "CONFIG_IFB" };

export const plain: LinkType<PlainLink> = {
  ensure(resource, kernel, undo) {
    const { where, name, mac, mtu, type } = resource;
    kernel.post(where, createLink({ name, address: mac, mtu, info: { kind: type } }), (error) => {
      if (error !== undefined) throw creationError(resource, FEATURES[type], error);
      kernel.made(where, name);
      undo(() => removeOwn(resource, kernel));
    });
  },
  verify(resource, kernel) {
    const own = findOwn(resource, kernel);
    return "finding" in own ? [own.finding] : differences(resource, own.found);
  },
  remove: removeOwn,
  describe: (resource, naming) => [
    commandIn(resource.where, `ip link add ${nameWords(resource)} type ${resource.type}`, naming),
  ],
};
