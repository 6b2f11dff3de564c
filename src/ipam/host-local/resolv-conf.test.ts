import { expect, test } from "bun:test";
import { FileError } from "../../core/errors.ts";
import { parseResolvConf, readResolvConf } from "./resolv-conf.ts";

test("keywords are read, comments and keywords without a value are not", () => {
  const text = [
    "# made by hand",
    "; another comment",
    "nameserver 192.0.2.1",
    "  nameserver\t2001:db8::1  trailing",
    "nameserver",
    "domain first.example",
    "domain last.example",
    "search a.example b.example",
    "search c.example",
    "options ndots:5 timeout:1\r",
    "sortlist 192.0.2.0",
    "",
  ].join("\n");
  expect(parseResolvConf(text)).toEqual({
    nameservers: ["192.0.2.1", "2001:db8::1"],
    domain: "last.example",
    search: ["a.example", "b.example", "c.example"],
    options: ["ndots:5", "timeout:1"],
  });
});

test("an empty file has no settings", () => {
  expect(parseResolvConf("")).toEqual({});
});

test("a missing file is a FileError that names it", () => {
  expect(() => readResolvConf("/nonexistent/resolv.conf")).toThrow(FileError);
  expect(() => readResolvConf("/nonexistent/resolv.conf")).toThrow('"/nonexistent/resolv.conf": ENOENT');
});
