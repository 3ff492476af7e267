// [data-node-row]: the moment of a node's last renewal moves each second; the row is not fetched again for it.
import { live } from "./live.js";

export function attach(row) {
  const renewed = row.querySelector('[data-node-field="renewed_at"]');
  live.watch("nodes", (event, table) => {
    const at = table.index.get(row.dataset.nodeRow);
    if (at !== undefined && renewed) renewed.dataset.since = table.value(at, "renewed_at") ?? "";
  });
}
