/** In what we mean to differ from the Go plugins, and why. A difference that is not here fails the test. */

export interface IntendedDifference {
  /** The plugins, or groups of cases, that it is met with, where not with all. */
  readonly plugins?: readonly string[];
  /** The names of the cases that it is met in, where not in all. */
  readonly cases?: RegExp;
  /** What the name of the thing matches. */
  readonly where: RegExp;
  /** What the two values match, as `theirs → ours`; undefined stands for what is not there. */
  readonly values: RegExp;
  readonly reason: string;
}

/** The plugins that make links of kinds that not every kernel has. */
export const OF_ANOTHER_KERNEL: readonly string[] = ["bridge with VLANs", "dummy", "ipvlan", "vlan", "vrf"];

export const intended: readonly IntendedDifference[] = [
  {
    where: /^(ADD|DEL): (host|container) address .*:/,
    values: /^scope=global → nodad=true scope=global$/,
    reason: "IPv6 addresses come up without duplicate detection: IPAM has made sure that nobody else has them",
  },
  {
    where: /^ADD: container sysctl net\/ipv6\/conf\/eth0\/accept_dad$/,
    values: /^0 → 1$/,
    reason: "a container without IPv6 addresses of ours keeps its duplicate detection for those that it gives itself",
  },
  {
    where: /^(ADD|DEL): host sysctl net\/ipv6\/conf\/(br0|cni0)\/accept_dad$/,
    values: /^1 → 0$/,
    reason: "the bridge's own address serves at once, or the host could not ask for its containers' MACs meanwhile",
  },
  {
    where: /^ADD: container sysctl net\/ipv4\/conf\/eth0\/arp_notify$/,
    values: /^1 → 0$/,
    reason: "a container without IPv4 addresses of ours has nobody to notify by ARP",
  },
  {
    where: /^(ADD|DEL): host sysctl net\/ipv6\/conf\/VETH( of br0\.100)?\/accept_ra$/,
    values: /^0 → 1$/,
    reason: "a port of a bridge gets no router advertisements of its own: the bridge takes all frames",
  },
  {
    where: /^(ADD|DEL): host link VETH( of br0\.100)? txqlen$/,
    values: /^undefined → 1000$/,
    reason: "the kernel's default is left alone; a veth has no queue whose length it could be",
  },
  {
    where: /^ADD: (result interfaces\/0\/mac|host link (br0|cni0) MAC)$/,
    values: /^MAC of VETH( of br0\.100)? → MAC of (br0|cni0)$/,
    reason: "a bridge that we make has a MAC of its own from the beginning, also without a gateway's address",
  },
  {
    where: /^DEL: host link (br0|cni0) MAC$/,
    values: /^(00:00:00:00:00:00|MAC of VETH of br0\.100) → MAC of (br0|cni0)$/,
    reason: "a bridge that we make keeps its MAC without ports",
  },
  {
    cases: /MAC of its own/,
    where: /^ADD: host link br0 operstate$/,
    values: /^UP → UNKNOWN$/,
    reason:
      "an administrator's bridge keeps the MAC that it has; without a change of it the kernel tells no event by which the state would become UP (UNKNOWN carries frames alike)",
  },
  {
    where: /^ADD: container route\d table \S+ unicast .*$/,
    values:
      /^flags= protocol=boot scope=global → flags= metrics\/0\/advmss=1200 metrics\/0\/mtu=1300 protocol=boot scope=global$/,
    reason: "mtu and advmss of a route are set in the kernel too, not only passed on in the result",
  },
  {
    cases: /^disableContainerInterface$/,
    where:
      /^(ADD|DEL): host (address br0 LINK-LOCAL\/64|route6 table \w+: \w+ (LINK-LOCAL|fe80::\/64|ff00::\/8) dev br0 .*)$/,
    values: / → undefined$/,
    reason: "a bridge gets its link-local address by its own MAC and with its first carrier, not before",
  },
  {
    cases: /IPAM|ipam|disableContainerInterface/,
    where: /^CHECK$/,
    values: /^fails: no plugin name provided → passes$/,
    reason: "CHECK does not need an IPAM plugin where ADD did not",
  },
  {
    cases: /^(a route in another table|routes with all that a route can have)$/,
    where: /^CHECK$/,
    values: /^fails: Expected Route .* not found in routing table → passes$/,
    reason: "CHECK looks for a route in its own table",
  },
  {
    cases: /^static addresses of the smallest networks$/,
    where: /^CHECK$/,
    values: /^fails: Failed to find Gateway .* → passes$/,
    reason: "CHECK does not look for the network of an address that is alone in it",
  },
  {
    plugins: ["bridge with VLANs"],
    cases: /a vlanTrunk that has it too/,
    where: /^ADD: host VLAN 11 of VETH$/,
    values: /^ → PVID,Egress Untagged$/,
    reason: "the port's own VLAN stays its own when the trunk names it, too",
  },
  {
    plugins: ["bridge with VLANs"],
    cases: /^an empty vlanTrunk/,
    where: /^(ADD|DEL): host (VLAN 1 of (br0|VETH)|link br0 linkinfo\/info_data\/vlan_filtering)$/,
    values: /^(PVID,Egress Untagged → undefined|1 → 0)$/,
    reason: "an empty list of VLANs asks for none",
  },
  {
    plugins: ["ptp"],
    where: /^ADD: container address eth0 /,
    values: /^(.* )?scope=global → (.* )?(nodad=true )?noprefixroute=true scope=global$/,
    reason:
      "the kernel is told to make no route to the address's network, where the reference deletes it again (IPv6: and without duplicate detection, as with all plugins)",
  },
  {
    plugins: ["ptp"],
    where: /^ADD: host sysctl net\/ipv6\/conf\/VETH\/accept_dad$/,
    values: /^1 → 0$/,
    reason: "the host's end serves at once: meanwhile the host could not ask for the container's MAC for others",
  },
  {
    plugins: ["ptp"],
    cases: /by another one$/,
    where: /^ADD: container route\d table main: unicast \S+ via (10.77.0.254|fd77::fe) /,
    values: /^flags= (.*) → flags=onlink \1$/,
    reason:
      "a gateway that no route leads to is said to be on the link; the reference takes that route away afterwards",
  },
  {
    plugins: ["tap"],
    where: /^ADD: container link eth0 linkinfo\/info_data\/(vnet_hdr|pi)$/,
    values: /^true → false$/,
    reason:
      "a program that opens the device says how its frames begin; without an owner or a group the reference has neither",
  },
  {
    plugins: ["tap"],
    cases: /^owner, group and mac$/,
    where: /^ADD: (result interfaces\/0\/mac|container link eth0 MAC)$/,
    values: /^MAC of eth0 → 02:00:5e:00:53:01$/,
    reason: "a MAC is set also where the device has an owner and a group",
  },
  {
    plugins: ["tap"],
    cases: /^owner and group$/,
    where: /^ADD: container link eth0 mtu$/,
    values: /^1500 → 1400$/,
    reason: "an MTU is set also where the device has an owner and a group",
  },
  {
    plugins: ["tap"],
    cases: /^dual stack$/,
    where:
      /^ADD: container (address eth0 fd77::9\/64|route6 table local: (local fd77::9|multicast ff00::\/8) dev eth0 .*)$/,
    values:
      /^(scope=global tentative=true → nodad=true scope=global|undefined → flags= .*|flags=linkdown .* → undefined)$/,
    reason:
      "IPv6 addresses serve at once, where the reference's wait for a carrier; the multicast route comes with the carrier",
  },
  {
    plugins: ["sbr"],
    where: /^ADD: container route6 table (main|10\d): unicast fe80::\/64 dev eth0 .*$/,
    values: /^(undefined → flags= .*|flags= .* → undefined)$/,
    reason: "link-local addresses are told apart by their links: what is sent to them needs no other table",
  },
  {
    plugins: ["sbr"],
    cases: /^dual stack$/,
    where: /^ADD: container route6 table 100: unicast fd77::\/64 dev eth0 .*$/,
    values: /^flags= .* → undefined$/,
    reason: "a table has the routes of its address's family only: no rule of the other one names it",
  },
  {
    plugins: ["sbr"],
    where: /^CHECK$/,
    values: /^fails: (Failed to find Gateway (10\.77\.0\.1|fd77::1) for|Expected Route .* not found in).* → passes$/,
    reason: "CHECK of the plugin before knows that its routes have been moved, and looks for a route in its own table",
  },
  {
    plugins: ["vrf"],
    where: /^CHECK$/,
    values: /^fails: Failed to find Gateway 10\.77\.0\.1 for interface eth0 → passes$/,
    reason: "CHECK of the plugin before knows that its routes are in the VRF's table",
  },
  {
    plugins: ["tuning"],
    where: /^DEL: container sysctl net\/(core\/somaxconn|ipv4\/ip_local_port_range)$/,
    values: /^(500|300|1024\t65000) → (4096|32768\t60999)$/,
    reason: "DEL gives back kernel parameters as it does the settings of the interface",
  },
  {
    plugins: ["tuning"],
    cases: /^a sysctl of several numbers$/,
    where: /^CHECK$/,
    values: /^fails: .* is 1024 65000, current value is 1024\t65000 → passes$/,
    reason: "a parameter's numbers are the same whether spaces or tabs part them",
  },
  {
    plugins: ["tuning"],
    cases: /^mac in another notation$/,
    where: /^ADD: result interfaces\/2\/mac$/,
    values: /^02-00-5E-00-53-01 → 02:00:5e:00:53:01$/,
    reason: "a result has MACs in the one notation that all plugins compare",
  },
  {
    plugins: ["tuning"],
    cases: /^mac in another notation$/,
    where: /^CHECK$/,
    values: /^fails: Interface eth0 Mac 02-00-5E-00-53-01 doesn't match .* → passes$/,
    reason: "a MAC is the same in any notation",
  },
  {
    plugins: ["tuning"],
    cases: /^twice$/,
    where: /^CHECK$/,
    values: /^fails: Error: Tuning link eth0 configured promisc is false, current value is 1 → passes$/,
    reason: "what is not configured is another one's to set",
  },
  {
    plugins: ["macvlan", "ipvlan"],
    where: /^ADD: container sysctl net\/ipv6\/conf\/eth0\/ndisc_notify$/,
    values: /^1 → 0$/,
    reason: "a container without IPv6 addresses of ours has nobody to tell of them",
  },
  {
    plugins: ["macvlan", "ipvlan", "vlan"],
    cases: /\bdns of IPAM$/,
    where: /^ADD: result dns\/nameservers$/,
    values: /^undefined → 10.0.0.2$/,
    reason: "the IPAM plugin's DNS settings are passed on where the configuration has none, as by bridge and ptp",
  },
  {
    plugins: ["macvlan"],
    cases: /^mac by args.cni$/,
    where: /^ADD: (result interfaces\/0\/mac|container link eth0 MAC)$/,
    values: /^MAC of eth0 → 02:00:5e:00:53:01$/,
    reason: "args.cni.mac is read, as by bridge",
  },
  {
    plugins: ["macvlan"],
    cases: /^mac in mode passthru$/,
    where: /^(ADD: (result interfaces\/0\/mac|container link eth0 MAC|host link up9 MAC)|DEL: host link up9 MAC)$/,
    values: /^MAC of eth0 → 02:00:(5e:00:53:01|00:00:77:00)$/,
    reason: "a MAC that is asked for is given in mode passthru too, and with it to the master until DEL",
  },
  {
    plugins: ["bandwidth"],
    where: /^ADD: host filter VETH 1 all u32 800::800$/,
    values: /^(.*) actions\/1\/bind=1 .* (bkt=0) flowid=1:1 (.*) → \1 \2 \3$/,
    reason: "a packet that is redirected is not redirected once more, nor is there a class in which it could be put",
  },
  {
    plugins: ["bandwidth"],
    where: /^ADD: host link bwp[0-9a-f]{12} txqlen$/,
    values: /^undefined → 32$/,
    reason: "the kernel's default is left alone; what waits does so in the token bucket",
  },
  {
    plugins: ["bandwidth"],
    cases: /^(numbers that are no whole bytes|more than 32 bits of bytes)$/,
    where: /^ADD: host qdisc VETH root tbf (burst|lat)$/,
    values: /^(124974 → 124987|10000000 → 9995000|25001 → 25000|25000 → 25001)$/,
    reason: "the kernel is told of the burst in bytes; by the time that it takes it is shown, cut to microseconds",
  },
  {
    plugins: ["bandwidth"],
    cases: /^a burst smaller than a frame$/,
    where: /^ADD: host qdisc VETH root tbf burst$/,
    values: /^569 → 1513$/,
    reason: "a bucket that cannot hold a frame would never let one through",
  },
  {
    plugins: ["host-device"],
    where: /^DEL: host link wire0 operstate$/,
    values: /^DOWN → LOWERLAYERDOWN$/,
    reason:
      "a device that is back has its index again, and the kernel tells the state of a pair's other end by indexes",
  },
  {
    plugins: ["host-device"],
    cases: /^a device that was up$/,
    where: /^DEL: host (link (wire0|ens0) (flags|qdisc|operstate)|route\d table .*|address ens0 LINK-LOCAL\/64)$/,
    values:
      /^((?:LOWERLAYER)?DOWN → UP|noop → noqueue|undefined → .*|.*NO-CARRIER,UP → .*LOWER_UP.*|BROADCAST,MULTICAST → .*LOWER_UP.*|flags=linkdown .* → flags= .*)$/,
    reason: "a device that is back is up if it was before",
  },
  {
    plugins: ["host-device", "tap"],
    cases: /\bdns of IPAM$/,
    where: /^ADD: result dns\/nameservers$/,
    values: /^undefined → 10.0.0.2$/,
    reason: "DNS settings of the IPAM plugin reach the runtime where the configuration has none",
  },
  {
    plugins: ["tuning"],
    where: /^ADD: result interfaces\/2\/mtu$/,
    values: /^undefined → 1[34]00$/,
    reason: "a result of version 1.1.0 has a place for the MTU, and so later plugins and CHECK know it",
  },
  {
    plugins: ["vlan"],
    where: /^ADD: container sysctl net\/ipv[46]\/conf\/eth0\/(arp|ndisc)_notify$/,
    values: /^0 → 1$/,
    reason: "neighbours on the wire are told of the addresses, as by macvlan and ipvlan",
  },
  {
    plugins: ["ipvlan"],
    cases: /default route|plugin before/,
    where: /^CHECK$/,
    values: /^fails: failed to lookup master "": Link not found → passes$/,
    reason: "CHECK knows the master of ADD also where the configuration does not name it",
  },
];
