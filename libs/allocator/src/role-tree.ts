/**
 * The tree of roles, and who in it has how much: the order in which the next offer is handed out.
 *
 * A node's share is the largest part that its subtree has of any quantity in the cluster, divided by its weight (dominant
 * resource fairness; Mesos: the `drf` sorter). Siblings compare by share, then by how often they were served, then by
 * name. A role with sub-roles of its own competes with them as one more child. What inactive frameworks hold still counts.
 */
import type { FrameworkId, Resources, Role } from '@ekiden/model';

/** The quantities that make a share; ports do not. */
export interface Amount {
  cpusMilli: number;
  memMib: number;
  diskMib: number;
  gpus: number;
}

/** Whatever competes with its siblings for the next offer. */
interface Ranked {
  readonly name: string;
  /** Of the whole subtree. */
  readonly usage: Amount;
  weight: number;
  served: number;
  /** Frameworks in it that want offers. */
  active: number;
}

/** A framework in a role. `active` is 1 when it wants offers: connected, subscribed to the role, not suppressed. */
export interface Client extends Ranked {
  readonly frameworkId: FrameworkId;
  readonly role: Role;
}

/** The frameworks of a role itself, as a sibling of its sub-roles. */
interface Leaf extends Ranked {
  readonly kind: 'leaf';
  readonly clients: Map<FrameworkId, Client>;
}

interface Node extends Ranked {
  readonly kind: 'node';
  readonly parent: Node | null;
  readonly children: Map<string, Node>;
  readonly own: Leaf;
}

export interface RoleTree {
  readonly root: Node;
  readonly weights: Map<string, number>;
}

export const noAmount = (): Amount => ({ cpusMilli: 0, memMib: 0, diskMib: 0, gpus: 0 });

export const newRoleTree = (): RoleTree => ({ root: newNode('', null, 1), weights: new Map() });

export function changeAmount(amount: Amount, resources: Omit<Resources, 'ports'>, sign: 1 | -1): void {
  amount.cpusMilli += sign * resources.cpusMilli;
  amount.memMib += sign * resources.memMib;
  amount.diskMib += sign * resources.diskMib;
  amount.gpus += sign * resources.gpus;
}

/** Weights of role paths; a missing one is 1. */
export function setRoleWeights(tree: RoleTree, weights: Readonly<Record<string, number>>): void {
  tree.weights.clear();
  for (const [path, weight] of Object.entries(weights)) tree.weights.set(path, weight);
  const visit = (node: Node): void => {
    node.weight = tree.weights.get(node.name) ?? 1;
    for (const child of node.children.values()) visit(child);
  };
  visit(tree.root);
}

export const clientOf = (tree: RoleTree, role: Role, frameworkId: FrameworkId): Client => clientIn(nodeOf(tree, role), role, frameworkId);

export function setClientActive(tree: RoleTree, role: Role, frameworkId: FrameworkId, active: boolean): void {
  const node = nodeOf(tree, role);
  const client = clientIn(node, role, frameworkId);
  const change = (active ? 1 : 0) - client.active;
  if (change === 0) return;
  client.active += change;
  node.own.active += change;
  for (let at: Node | null = node; at !== null; at = at.parent) at.active += change;
}

/** Counts resources as held by (or taken from) a framework in a role. */
export function changeUsage(tree: RoleTree, role: Role, frameworkId: FrameworkId, resources: Resources, sign: 1 | -1): void {
  const node = nodeOf(tree, role);
  changeAmount(clientIn(node, role, frameworkId).usage, resources, sign);
  changeAmount(node.own.usage, resources, sign);
  for (let at: Node | null = node; at !== null; at = at.parent) changeAmount(at.usage, resources, sign);
}

export function countServed(tree: RoleTree, client: Client): void {
  const node = nodeOf(tree, client.role);
  client.served++;
  node.own.served++;
  for (let at: Node | null = node; at !== null; at = at.parent) at.served++;
}

/** Forgets a framework that holds nothing in the role; nodes left empty go with it. */
export function forgetClient(tree: RoleTree, role: Role, frameworkId: FrameworkId): void {
  setClientActive(tree, role, frameworkId, false);
  const node = nodeOf(tree, role);
  node.own.clients.delete(frameworkId);
  for (let at: Node = node; at.parent !== null && at.own.clients.size === 0 && at.children.size === 0; at = at.parent) at.parent.children.delete(at.name);
}

/** The first active client, in the order of fairness, that `takes` says yes to; null when nobody does. */
export function firstClient(tree: RoleTree, total: Amount, takes: (client: Client) => boolean): Client | null {
  return visitNode(tree.root, total, takes);
}

/** How much of the scarcest quantity somebody has, 0 to 1 (more when the cluster has shrunk below its use). */
export const dominantShare = (usage: Amount, total: Amount): number =>
  Math.max(part(usage.cpusMilli, total.cpusMilli), part(usage.memMib, total.memMib), part(usage.diskMib, total.diskMib), part(usage.gpus, total.gpus));

function visitNode(node: Node, total: Amount, takes: (client: Client) => boolean): Client | null {
  if (node.children.size === 0) return visitLeaf(node.own, total, takes);
  return firstInOrder<Node | Leaf>(node.children, node.own, total, (one) =>
    one.kind === 'leaf' ? visitLeaf(one, total, takes) : visitNode(one, total, takes),
  );
}

const visitLeaf = (leaf: Leaf, total: Amount, takes: (client: Client) => boolean): Client | null =>
  firstInOrder<Client>(leaf.clients, null, total, (client) => (takes(client) ? client : null));

/**
 * Visits the active ones (`extra` is one more) in the order of fairness until a visit finds a client. The first one mostly
 * does, so only the first is looked for; a whole order is made when it does not.
 */
function firstInOrder<T extends Ranked>(items: ReadonlyMap<string, T>, extra: T | null, total: Amount, visit: (item: T) => Client | null): Client | null {
  let best = extra !== null && extra.active > 0 ? extra : null;
  let bestShare = best === null ? 0 : shareOf(best, total);
  for (const item of items.values()) {
    if (item.active === 0) continue;
    const share = shareOf(item, total);
    if (best !== null && (share > bestShare || (share === bestShare && compareTies(item, best) > 0))) continue;
    best = item;
    bestShare = share;
  }
  if (best === null) return null;
  const found = visit(best);
  if (found !== null || (items.size === 1 && extra === null)) return found;
  for (const item of othersInOrder(items, extra, best, total)) {
    const client = visit(item);
    if (client !== null) return client;
  }
  return null;
}

function othersInOrder<T extends Ranked>(items: ReadonlyMap<string, T>, extra: T | null, first: T, total: Amount): T[] {
  const others: { readonly item: T; readonly share: number }[] = [];
  for (const item of items.values()) if (item !== first && item.active > 0) others.push({ item, share: shareOf(item, total) });
  if (extra !== null && extra !== first && extra.active > 0) others.push({ item: extra, share: shareOf(extra, total) });
  return others.sort((a, b) => a.share - b.share || compareTies(a.item, b.item)).map(({ item }) => item);
}

const shareOf = (ranked: Ranked, total: Amount): number => dominantShare(ranked.usage, total) / ranked.weight;

const compareTies = (a: Ranked, b: Ranked): number => a.served - b.served || (a.name < b.name ? -1 : 1);

const part = (amount: number, total: number): number => (amount <= 0 ? 0 : total <= 0 ? 1 : amount / total);

function clientIn(node: Node, role: Role, frameworkId: FrameworkId): Client {
  let client = node.own.clients.get(frameworkId);
  if (client === undefined) node.own.clients.set(frameworkId, (client = { ...unranked(frameworkId, 1), frameworkId, role }));
  return client;
}

function nodeOf(tree: RoleTree, role: Role): Node {
  const whole = tree.root.children.get(role); // Most roles have one part.
  if (whole !== undefined) return whole;
  let node = tree.root;
  let path = '';
  for (const name of role.split('/')) {
    path = path === '' ? name : `${path}/${name}`;
    let child = node.children.get(path);
    if (child === undefined) node.children.set(path, (child = newNode(path, node, tree.weights.get(path) ?? 1)));
    node = child;
  }
  return node;
}

const newNode = (path: string, parent: Node | null, weight: number): Node => ({
  ...unranked(path, weight),
  kind: 'node',
  parent,
  children: new Map(),
  own: { ...unranked(`${path}/.`, 1), kind: 'leaf', clients: new Map() },
});

const unranked = (name: string, weight: number): Ranked => ({ name, usage: noAmount(), weight, served: 0, active: 0 });
