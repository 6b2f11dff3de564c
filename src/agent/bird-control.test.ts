import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AnswerReader } from "./bird-control.ts";
import { parseSessions } from "./bird-status.ts";

const GREETING = "0001 BIRD 2.0.12 ready.\n";
const PROTOCOLS = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     1795999564    
1006-
1002-own4       Static     master4    up     1795999564    
1006-  Channel ipv4
         State:          UP
         Routes:         7 imported, 0 exported, 7 preferred
 
1002-node-b.x:4 BGP        ---        start  1795999564    Active        Socket: Connection refused
1006-  BGP state:          Active
         Neighbor address: 127.0.0.2
         Neighbor AS:      64512
         Last error:       Received: Administrative shutdown
       Channel ipv4
         State:          DOWN
 
1002-node-c:6   BGP        ---        up     1795999570    Established   
1006-  BGP state:          Established
         Neighbor address: fd20::2%eth0
         Neighbor AS:      65000
       Channel ipv4
         Routes:         1 imported, 2 filtered, 3 exported, 1 preferred
       Channel ipv6
         Routes:         10 imported, 0 filtered, 20 exported, 10 preferred
 
0000 
`;

const read = (text: string) => new AnswerReader().read(new TextEncoder().encode(text));

describe("answers", () => {
  test("end with a line whose number a space follows; lines without a number belong to the one before", () => {
    expect(read("0002-Reading x\n more\n0003 Reconfigured\n0001 next\n")).toEqual([
      [
        { code: 2, text: "Reading x" },
        { code: 2, text: "more" },
        { code: 3, text: "Reconfigured" },
      ],
      [{ code: 1, text: "next" }],
    ]);
  });

  test("have nothing of what BIRD says in between", () => {
    expect(read("0002-Reading x\n+log: something\n0003 Reconfigured\n")[0]).toHaveLength(2);
  });

  test("are the same in whatever pieces they come", () => {
    const bytes = new TextEncoder().encode(GREETING + PROTOCOLS);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const reader = new AnswerReader();
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
        expect(pieces.flatMap((piece) => reader.read(piece))).toEqual(read(GREETING + PROTOCOLS));
      }),
    );
  });

  test("that do not begin with a number are none", () => {
    expect(() => read("HTTP/1.1 200 OK\n")).toThrow("Not a line of BIRD's");
    expect(() => read(" first\n")).toThrow("Not a line of BIRD's");
  });
});

test("sessions are read from BIRD's protocols", () => {
  expect(parseSessions(read(PROTOCOLS)[0] ?? [])).toEqual([
    {
      name: "node-b.x:4",
      state: "Active",
      neighbour: "127.0.0.2",
      as: 64512,
      since: 1795999564,
      problem: "Socket: Connection refused",
      imported: 0,
      exported: 0,
    },
    {
      name: "node-c:6",
      state: "Established",
      neighbour: "fd20::2%eth0",
      as: 65000,
      since: 1795999570,
      problem: undefined,
      imported: 11,
      exported: 23,
    },
  ]);
});
