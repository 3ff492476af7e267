// Which module serves which attribute. Each is fetched when a page first has its attribute.

const BEHAVIOURS = [
  ["[data-theme-choice]", () => import("./theme.js")],
  ["[data-rail-toggle]", () => import("./rail.js")],
  ["details.menu", () => import("./menus.js")],
  ["[data-copy], [data-copy-from]", () => import("./copy.js")],
  ["a[data-dialog]", () => import("./dialogs.js")],
  ["form[data-action]", () => import("./actions.js")],
  ["[data-palette-open]", () => import("./palette.js")],
  ["[data-age], [data-stale-banner]", () => import("./ages.js")],
  ["[data-live-pill]", () => import("./pill.js")],
  ["[data-chart]", () => import("./charts.js")],
  ["[data-counts-chart]", () => import("./countschart.js")],
  ["[data-leak-chart]", () => import("./leakchart.js")],
  ["details[data-columns]", () => import("./columns.js")],
  ["details[data-views]", () => import("./views.js")],
  ["[data-grid]", () => import("./processes.js")],
  ["[data-outline]", () => import("./outline.js")],
  ["[data-overview]", () => import("./overview.js")],
  ["form[data-foresight]", () => import("./foresight.js")],
  ["[data-process]", () => import("./process.js")],
  ["[data-since]", () => import("./since.js")],
  ["[data-zone-choice]", () => import("./zone.js")],
  ["[data-live-region]", () => import("./regions.js")],
  ["[data-refresh]", () => import("./refresh.js")],
  ["[data-log]", () => import("./logview.js")],
  ["[data-logs]", () => import("./logsview.js")],
  ["[data-editor]", () => import("./editor.js")],
  ["[data-live-check]", () => import("./livecheck.js")],
  ["[data-node-row]", () => import("./noderow.js")],
];
const attached = new WeakMap();

/** Attach every behaviour below `scope` that is not attached yet. */
export async function attachAll(scope = document) {
  await Promise.all(
    BEHAVIOURS.map(async ([selector, load]) => {
      const elements = [...scope.querySelectorAll(selector)].filter((element) => !attached.get(element)?.has(selector));
      if (elements.length === 0) return;
      const module = await load();
      for (const element of elements) {
        if (!attached.has(element)) attached.set(element, new Set());
        if (attached.get(element).has(selector)) continue;
        attached.get(element).add(selector);
        module.attach(element);
      }
    }),
  );
}
