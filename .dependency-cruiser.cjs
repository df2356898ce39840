/** Which way imports point. Each rule carries its reason; ARCHITECTURE.md draws the same picture. */
const only = (name, from, to, comment) => ({ name, severity: 'error', comment, from: { path: from, pathNot: '\\.(spec|prop\\.spec|model\\.spec|store-spec|e2e-spec|nightly-spec)\\.ts$|/test/|/testing/' }, to });

/** What a part may import of ours, besides itself. */
const allowed = {
  'libs/model': [],
  'libs/mesos': ['model'],
  'libs/agent-link': ['model', 'mesos'],
  'libs/planner': ['model'],
  'libs/allocator': ['model'],
  'libs/marathon-api': ['model'],
  'libs/isolation': ['model'],
  'libs/framework-sdk': ['model', 'mesos'],
  'libs/service': ['model'],
  'libs/queue': ['model', 'service'],
  'apps/master': ['model', 'allocator', 'mesos', 'agent-link', 'service'],
  'apps/agent': ['model', 'isolation', 'mesos', 'agent-link', 'service'],
  'apps/paas-api': ['model', 'planner', 'marathon-api', 'mesos', 'framework-sdk', 'queue', 'service'],
  'apps/cli': ['model', 'marathon-api', 'service'],
};

const borders = Object.entries(allowed).map(([part, libs]) =>
  only(
    `border-${part.replace('/', '-')}`,
    `^${part}/src/`,
    { path: '^(apps|libs)/', pathNot: [`^${part}/src/`, ...libs.map((lib) => `^libs/${lib}/src/index\\.ts$`)] },
    `${part} imports ${libs.length === 0 ? 'nothing of ours' : libs.join(', ')}, each through its index.ts; a new arrow gets a decision record`,
  ),
);

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', comment: 'a cycle is one module in two files', from: {}, to: { circular: true } },
    ...borders,
    only('apps-meet-on-the-wire', '^apps/([^/]+)/', { path: '^apps/', pathNot: '^apps/$1/' }, "apps never import apps: they meet on the wire, as strangers' programs do"),
    only('pure-libraries', '^libs/(model|planner|allocator|marathon-api)/src/', { dependencyTypes: ['core'] }, 'no node: modules: simulated time, and use in the browser'),
    only(
      'pure-libraries-npm',
      '^libs/(model|planner|allocator|marathon-api)/src/',
      { path: '^node_modules/', pathNot: '^node_modules/(zod|re2js)/' },
      'zod parses, re2js matches; nothing else, above all nothing that does I/O',
    ),
    only('nest-at-the-rim', '^apps/[^/]+/src/(?!http/|app\\.module\\.ts|main\\.ts)', { path: '^node_modules/@nestjs/' }, 'the framework is at the rim: http/, app.module.ts, main.ts, libs/service'),
    only('typeorm-in-the-store', '^(apps|libs)/[^/]+/src/(?!store/)', { path: '^node_modules/typeorm/' }, 'tables may change without the planner knowing'),
    only('http-alone-knows-http', '^apps/[^/]+/src/(?!http/|app\\.module\\.ts|main\\.ts)', { path: '^node_modules/fastify/' }, 'no HTTP below http/'),
    only('no-wire-in-decisions', '^libs/(planner|allocator)/src/', { path: '^libs/(mesos|marathon-api|agent-link)/' }, 'wire types are converted once, at the border'),
    { name: 'cores-without-rim', severity: 'error', comment: 'create-*.ts builds the working app from its ports: no Nest, no tables; the one transport is handed in', from: { path: '^apps/[^/]+/src/create-' }, to: { path: '^apps/[^/]+/src/(http|app\\.module|main)|^node_modules/(@nestjs|typeorm|ws)', reachable: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
