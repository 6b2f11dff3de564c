import { describe, expect, test } from "bun:test";
import { constants } from "node:os";
import { headers, needs } from "../../test/support/needs.ts";
import { errnoName } from "./errno.ts";

describe("errnoName", () => {
  test("agrees with the runtime on each number that it knows", () => {
    const known = Object.entries(constants.errno);
    expect(known.length).toBeGreaterThan(70);
    for (const [name, errno] of known) {
      // Two names of one number.
      const expected = { EWOULDBLOCK: "EAGAIN", ENOTSUP: "EOPNOTSUPP", EDEADLOCK: "EDEADLK" }[name] ?? name;
      expect(errnoName(errno)).toBe(expected);
    }
  });

  needs(headers("asm/errno.h"))("agrees with the kernel's headers on all numbers", () => {
    const source = "#include <asm/errno.h>\n";
    const macros = Bun.spawnSync(["gcc", "-E", "-dM", "-"], { stdin: Buffer.from(source) }).stdout.toString();
    const defined = [...macros.matchAll(/^#define (E[A-Z0-9]+) ([0-9]+)$/gm)];
    expect(defined.length).toBeGreaterThan(120);
    for (const [, name, number] of defined) expect([number, errnoName(Number(number))]).toEqual([number, name ?? ""]);
  });

  test("shows numbers without a name as numbers", () => {
    expect(errnoName(524)).toBe("ENOTSUPP");
    // Numbers that no error has, or had.
    for (const errno of [0, -5, 41, 58, 134, 4095]) expect(errnoName(errno)).toBe(`E${errno}`);
  });
});
