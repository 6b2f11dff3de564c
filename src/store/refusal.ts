/** Requests that nobody was there to take. */

/** As the runtime says it of a socket, and of a name. */
const REFUSALS: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ConnectionRefused",
  "ENOTFOUND",
  "FailedToOpenSocket",
]);

/** Whether a request has not reached a server at all, so that it may be sent again, or elsewhere. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && REFUSALS.has(error.code);
}
