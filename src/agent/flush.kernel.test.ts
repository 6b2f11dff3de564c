import { expect } from "bun:test";
import { testNamespaces } from "../../test/support/namespaces.ts";
import { needs, program, root } from "../../test/support/needs.ts";
import { expectNothingLeft } from "../../test/support/snapshot.ts";
import { udpClient } from "../../test/support/traffic.ts";
import { inNetns } from "../linux/netns.ts";
import { addressFlusher, flushAddress } from "./flush.ts";

const namespaces = testNamespaces();
expectNothingLeft();
const test = needs(root, program("nft"), program("conntrack"));

test("an address is flushed from tracked connections in any place of theirs, and from the neighbours of all links", async () => {
  const { sh, netns } = namespaces.fresh();
  sh(`ip link set lo up
    ip addr add 10.9.0.1/24 dev lo; ip addr add 10.9.0.2/24 dev lo; ip addr add 10.9.0.3/24 dev lo
    ip addr add fd09::1/128 dev lo nodad; ip addr add fd09::2/128 dev lo nodad
    nft add table inet t
    nft 'add chain inet t c { type nat hook output priority -100; }'
    nft add rule inet t c ip daddr 127.0.0.1 udp dport 8080 dnat ip to 10.9.0.2:9090
    nft add rule inet t c ip6 daddr ::1 udp dport 8081 dnat ip6 to [::1]:9091
    ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up
    ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev d0; ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev d1
    ip neigh add 10.9.0.3 lladdr 02:00:00:00:00:02 dev d0
    ip neigh add fd09::2 lladdr 02:00:00:00:00:01 dev d1; ip neigh add fd09::3 lladdr 02:00:00:00:00:01 dev d1`);
  const [four, six] = [await udpClient({ netns }, 4), await udpClient({ netns }, 6)];
  await Promise.all([
    four.ask("127.0.0.1", 8080, { patience: 0 }),
    four.ask("10.9.0.2", 7001, { patience: 0 }),
    four.ask("10.9.0.3", 7002, { patience: 0 }),
    six.ask("fd09::2", 7003, { patience: 0 }),
    six.ask("fd09::1", 7004, { patience: 0 }),
  ]);
  four.close();
  six.close();
  sh(`conntrack -I -p tcp -s 10.9.0.2 -d 10.9.0.3 --sport 1 --dport 7005 --state ESTABLISHED --timeout 60
    conntrack -I -p tcp -s 10.9.0.1 -d 10.9.0.3 --sport 1 --dport 7006 --state ESTABLISHED --timeout 60`);
  const tracked = () =>
    [...sh("(conntrack -L -f ipv4; conntrack -L -f ipv6) 2>/dev/null").matchAll(/^.*? dport=(\d+)/gm)]
      .map((match) => match[1])
      .sort();
  expect(tracked()).toEqual(["7001", "7002", "7003", "7004", "7005", "7006", "8080"]);
  inNetns(netns, () => flushAddress("10.9.0.2"));
  expect(tracked()).toEqual(["7002", "7003", "7004", "7006"]);
  const flusher = inNetns(netns, addressFlusher);
  flusher.flush(["fd09::2", "10.9.0.9"]);
  flusher.flush([]);
  flusher.close();
  expect(tracked()).toEqual(["7002", "7004", "7006"]);
  expect(sh("ip -br neigh show nud permanent").match(/^\S+/gm)?.sort()).toEqual(["10.9.0.3", "fd09::3"]);
});
