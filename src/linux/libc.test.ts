import { expect, test } from "bun:test";
import { source, startChild } from "../../test/support/child.ts";

test.each([
  ["setns(-1, 0)", "setns", "EBADF"],
  ["openSocket(999, 1, 0)", "socket", "EAFNOSUPPORT"],
  ["closeSocket(-1)", "close", "EBADF"],
  ["bindMount('/nowhere/source', '/nowhere')", "mount", "ENOENT"],
  ["flock(-1, LOCK_EX)", "flock", "EBADF"],
])(
  "the first call of a process, %s, has its own error although the way to errno is still to be bound",
  async (call, name, code) => {
    const child = startChild(`
    import * as libc from ${source("linux/libc.ts")};
    const { setns, openSocket, closeSocket, bindMount, flock, LOCK_EX } = libc;
    try { ${call}; console.log("no error"); } catch (error) { console.log(error.code + "|" + error.message); }
  `);
    const line = await child.line();
    expect(await child.ended()).toBe(0);
    expect(line).toStartWith(`${code}|${name}`);
  },
);
