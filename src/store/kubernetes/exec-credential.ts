/**
 * Credentials that a program gives, as a kubeconfig's `exec` asks for it.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */

import { resolve } from "node:path";
import { ConfigError, errorMessage, TendrilError } from "../../core/errors.ts";
import { boolean, list, object, oneOf, optional, type Schema, text, withDefault } from "../../core/schema.ts";

const GROUP = "client.authentication.k8s.io";
const KIND = "ExecCredential";

export interface ExecConfig {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly installHint: string | undefined;
  readonly provideClusterInfo: boolean;
  readonly interactiveMode: "Never" | "IfAvailable" | "Always";
}

/** Credentials, and until when they hold. */
export interface Credential {
  readonly token?: string;
  /** PEM texts. */
  readonly cert?: string;
  readonly key?: string;
  /** In milliseconds of the epoch; absent for as long as they are taken. */
  readonly expires?: number;
}

/** The field `exec` of a user. */
export const execConfig: Schema<ExecConfig> = object<ExecConfig>({
  apiVersion: oneOf(`${GROUP}/v1`, `${GROUP}/v1beta1`),
  command: text,
  args: withDefault(list(text), []),
  env: withDefault(list(object({ name: text, value: text })), []),
  installHint: optional(text),
  provideClusterInfo: withDefault(boolean, false),
  interactiveMode: withDefault(oneOf("Never", "IfAvailable", "Always"), "IfAvailable"),
});

interface Answer {
  readonly apiVersion: string;
  readonly kind: string;
  readonly status: {
    readonly token: string | undefined;
    readonly clientCertificateData: string | undefined;
    readonly clientKeyData: string | undefined;
    readonly expirationTimestamp: string | undefined;
  };
}

const answer = object<Answer>({
  apiVersion: text,
  kind: oneOf(KIND),
  status: object<Answer["status"]>({
    token: optional(text),
    clientCertificateData: optional(text),
    clientKeyData: optional(text),
    expirationTimestamp: optional(text),
  }),
});

/** Milliseconds that a program has that nobody can answer to. */
const TIMEOUT = 60_000;

/**
 * Runs the program and waits for it; one on a terminal may ask its user. `folder` is that of the kubeconfig, which a
 * command with a slash in it starts from; `cluster` is told where the program is to know it. Throws TendrilError.
 */
export function runCredentialProgram(config: ExecConfig, folder: string, cluster: object): Credential {
  const { apiVersion, command, args, env, provideClusterInfo, interactiveMode } = config;
  const interactive = interactiveMode !== "Never" && process.stdin.isTTY === true;
  if (interactiveMode === "Always" && !interactive) throw failed(config, "it asks its user, and there is no terminal");
  const spec = { interactive, ...(provideClusterInfo && { cluster }) };
  const info = JSON.stringify({ apiVersion, kind: KIND, spec });
  const given = Object.fromEntries(env.map(({ name, value }) => [name, value]));
  const program = command.includes("/") ? resolve(folder, command) : command;
  const options = {
    env: { ...process.env, ...given, KUBERNETES_EXEC_INFO: info },
    stdin: interactive ? "inherit" : "ignore",
    stdout: "pipe",
    stderr: interactive ? "inherit" : "pipe",
    ...(!interactive && { timeout: TIMEOUT }),
  } as const;
  let finished: ReturnType<typeof Bun.spawnSync>;
  try {
    finished = Bun.spawnSync([program, ...args], options);
  } catch (error) {
    throw failed(config, "it cannot be started", error);
  }
  if (finished.exitedDueToTimeout) throw failed(config, `it has not ended within ${TIMEOUT / 1000} seconds`);
  if (!finished.success) {
    const said = finished.stderr?.toString().trim() ?? "";
    const how = finished.signalCode ? `it was ended by ${finished.signalCode}` : `exit status ${finished.exitCode}`;
    throw failed(config, said === "" ? how : `${how}: ${said}`);
  }
  return credentialOf(config, finished.stdout?.toString() ?? "");
}

function credentialOf(config: ExecConfig, output: string): Credential {
  const { apiVersion, status } = parsed(config, output);
  if (apiVersion !== config.apiVersion)
    throw failed(config, `it answers in "${apiVersion}", not "${config.apiVersion}"`);
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status;
  if ((cert === undefined) !== (key === undefined)) throw failed(config, "a certificate and its key belong together");
  if (token === undefined && cert === undefined) throw failed(config, "it gives neither a token nor a certificate");
  const expires = expirationTimestamp === undefined ? undefined : Date.parse(expirationTimestamp);
  if (Number.isNaN(expires)) throw failed(config, `"${expirationTimestamp}" is no time`);
  return {
    ...(token !== undefined && { token }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(expires !== undefined && { expires }),
  };
}

function parsed(config: ExecConfig, output: string): Answer {
  try {
    return answer(JSON.parse(output), "");
  } catch (error) {
    if (error instanceof ConfigError) throw failed(config, `in its answer "${error.field}" ${error.problem}`, error);
    if (error instanceof SyntaxError) throw failed(config, "its answer is not JSON", error);
    throw error;
  }
}

function failed({ command, installHint }: ExecConfig, why: string, cause?: unknown): TendrilError {
  const reason = cause === undefined || cause instanceof ConfigError ? "" : ` (${errorMessage(cause)})`;
  return new TendrilError(`Credential program "${command}" of the kubeconfig has failed: ${why}${reason}`, {
    cause,
    ...(installHint !== undefined && { details: installHint }),
  });
}
