// The visible lines of a tree of supervisors. Pure: rows in, lines out.

const BAD = new Set(["failed", "lost", "backoff", "down"]);

/** Children of each parent in their order. rows: [{id, node, key, parent, position, is_supervisor, state}]. */
export function indexTree(rows) {
  const children = new Map();
  for (const row of rows) {
    const parent = row.parent ? `${row.node}:${row.parent}` : "";
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(row);
  }
  for (const siblings of children.values()) siblings.sort(bySibling);
  return children;
}

const bySibling = (one, other) =>
  (one.parent ? one.position - other.position : compare(one.key, other.key)) || compare(one.key, other.key) || compare(one.node, other.node);
const compare = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

/** Ids of everything that is in trouble or has trouble below it. */
export function troubled(children) {
  const found = new Set();
  const visit = (row) => {
    let bad = BAD.has(row.state);
    for (const child of children.get(row.id) ?? []) if (visit(child)) bad = true;
    if (bad) found.add(row.id);
    return bad;
  };
  for (const root of children.get("") ?? []) visit(root);
  return found;
}

/** Lines to show, depth first: [{row, depth, hasChildren, isOpen}]. keep(row) filters; what leads to a kept row stays. */
export function lines(children, { isOpen, keep = null }) {
  const kept = keep ? keptBy(children, keep) : null;
  const found = [];
  const walk = (row, depth) => {
    if (kept && !kept.has(row.id)) return;
    const below = children.get(row.id) ?? [];
    const open = below.length > 0 && (kept ? true : isOpen(row, depth));
    found.push({ row, depth, hasChildren: below.length > 0, isOpen: open });
    if (open) for (const child of below) walk(child, depth + 1);
  };
  for (const root of children.get("") ?? []) walk(root, 0);
  return found;
}

function keptBy(children, keep) {
  const kept = new Set();
  const visit = (row) => {
    let any = keep(row);
    for (const child of children.get(row.id) ?? []) if (visit(child)) any = true;
    if (any) kept.add(row.id);
    return any;
  };
  for (const root of children.get("") ?? []) visit(root);
  return kept;
}
