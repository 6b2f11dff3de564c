import { describe, expect, test } from "bun:test";
import { foreignFirst, isNetworkFile, networkFile, unusable } from "./network-files.ts";

const OURS = networkFile("10-tendril.conflist", '{"name":"tendril","plugins":[{"type":"tendril"}]}');
const flannel = (name: string) => networkFile(name, '{"name":"cbr0","plugins":[{"type":"flannel"}]}');

describe("a file of the folder", () => {
  test("is a network's by how its name ends", () => {
    expect(["a.conf", "a.conflist", "a.json", "a.conf.bak", "a.txt", ".conflist.tmp"].map(isNetworkFile)).toEqual([
      ...[true, true, true],
      ...[false, false, false],
    ]);
  });

  test("says what its network is, or why it is none", () => {
    expect(networkFile("a.conf", '{"name":"n","type":"tendril"}')).toEqual({
      name: "a.conf",
      network: "n",
      isOurs: true,
    });
    expect(networkFile("a.conf", " \n").problem).toBe("empty");
    expect(networkFile("a.conf", "{").problem).toBe("no JSON");
    for (const text of ["null", "[]", "{}", '{"name":"n"}', '{"name":"n","plugins":[]}', '{"type":"bridge"}']) {
      expect(networkFile("a.conflist", text).problem).toBe("no network");
    }
    expect(networkFile("a.json", '{"name":"n","plugins":[{"type":"x"}]}').problem).toBe("no network");
    expect(unusable("/n", networkFile("a.conf", ""))?.sentence).toBe(
      'File "/n/a.conf" is empty: a runtime may refuse all networks for it',
    );
    expect(unusable("/n", OURS)).toBeUndefined();
  });

  test("is ours also where another plugin calls ours", () => {
    const isOurs = (config: object) => networkFile("00-multus.conf", JSON.stringify({ name: "m", ...config })).isOurs;
    expect(isOurs({ type: "multus", delegates: [{ name: "t", plugins: [{ type: "tendril" }] }] })).toBe(true);
    expect(isOurs({ type: "multus-shim", clusterNetwork: "/host/etc/cni/net.d/10-tendril.conflist" })).toBe(true);
    expect(isOurs({ type: "multus-shim", clusterNetwork: "tendril" })).toBe(true);
    expect(isOurs({ type: "multus", delegates: [{ type: "flannel" }] })).toBe(false);
    expect(isOurs({ type: "multus-shim", clusterNetwork: "10-flannel.conflist" })).toBe(false);
  });
});

describe("another network is in the way", () => {
  test("when its file comes first, and then all such files are named", () => {
    const found = foreignFirst("/n", [flannel("05-a.conflist"), flannel("06-b.conf"), OURS]);
    expect(found?.sentence).toBe(
      'Runtimes take the first file of "/n", which is "05-a.conflist" (network "cbr0") and not "10-tendril.conflist": pods are attached to that network',
    );
    expect(found?.remedy).toStartWith("Move /n/05-a.conflist away");
  });

  test("not when ours does, or when it cannot be used", () => {
    expect(foreignFirst("/n", [OURS, flannel("87-podman.conflist")])).toBeUndefined();
    expect(foreignFirst("/n", [networkFile("00-a.conf", ""), OURS])).toBeUndefined();
  });

  test("when ours is not written yet as soon as it is known what it will be called", () => {
    expect(foreignFirst("/n", [flannel("05-a.conflist")])).toBeUndefined();
    expect(foreignFirst("/n", [flannel("05-a.conflist")], OURS.name)?.sentence).toContain('"05-a.conflist"');
    expect(foreignFirst("/n", [flannel("20-a.conflist")], OURS.name)).toBeUndefined();
  });
});
