import { expect, test } from "bun:test";
import { isListening } from "./listening.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const line = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000`;

test("a socket listens on its address, or on any", () => {
  const one = `${HEAD}\n${line("0200010A:0050", "0A")}\n`;
  expect(isListening(one, "10.1.0.2", 80)).toBe(true);
  expect(isListening(one, "10.1.0.3", 80)).toBe(false);
  expect(isListening(one, "10.1.0.2", 81)).toBe(false);
  const any = `${HEAD}\n${line("00000000:0050", "0A")}\n`;
  expect(isListening(any, "10.1.0.9", 80)).toBe(true);
  expect(isListening(any, "fd00::1", 80)).toBe(false);
});

test("one that is connected does not", () => {
  expect(isListening(`${HEAD}\n${line("0200010A:0050", "01")}\n`, "10.1.0.2", 80)).toBe(false);
});

test("one for IPv6 takes IPv4 too when it listens on any address", () => {
  const any = line("00000000000000000000000000000000:0050", "0A");
  expect(isListening(any, "10.1.0.2", 80)).toBe(true);
  const own = line("000000FD000000000000000002000000:0050", "0A");
  expect(isListening(own, "fd00::2", 80)).toBe(true);
  expect(isListening(own, "fd00::3", 80)).toBe(false);
});
