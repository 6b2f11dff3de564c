/** A web server on each node, and a Service of them: agnhost, which tells its name at /hostname. */

import { AGNHOST } from "./images.ts";

const NAME = "web";
const LABELS = { app: NAME };

/** The DaemonSet and the Service, both called "web", in the namespace "default"; with a port on each node where given. */
export function webServers(hostPort?: number): object[] {
  const container = {
    name: NAME,
    image: AGNHOST,
    args: ["netexec", "--http-port=80"],
    ...(hostPort === undefined ? {} : { ports: [{ containerPort: 80, hostPort }] }),
    readinessProbe: { httpGet: { path: "/healthz", port: 80 }, periodSeconds: 1 },
  };
  return [
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: NAME },
      spec: {
        selector: { matchLabels: LABELS },
        template: {
          metadata: { labels: LABELS },
          spec: { terminationGracePeriodSeconds: 0, containers: [container] },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: NAME },
      spec: { selector: LABELS, ports: [{ port: 80 }], ipFamilyPolicy: "PreferDualStack" },
    },
  ];
}
