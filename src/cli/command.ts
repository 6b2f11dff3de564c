export async function runCli(_: readonly string[]): Promise<number> {
  return 0;
}
