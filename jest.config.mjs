// Jest runs the TypeScript sources as CommonJS, and turns ES modules of node_modules into CommonJS on the fly
// (tools/jest-esm-transformer.cjs): Jest 30 on Node 20 cannot require() an ES module.
const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2023',
      parser: { syntax: 'typescript', decorators: true },
      keepClassNames: true,
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];
const base = {
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': swc, 'node_modules/.+\\.m?js$': '<rootDir>/tools/jest-esm-transformer.cjs' },
  transformIgnorePatterns: [],
  moduleNameMapper: {
    '^@ekiden/([^/]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'], // './x.js' in a source means './x.ts'
  },
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};
export default {
  testTimeout: 60_000, // against what hangs; how fast something is, is no test's business
  projects: [
    { ...base, displayName: 'unit', testMatch: ['**/*.spec.ts'] },
    // Real Postgres; the database URL comes from the global setup.
    { ...base, displayName: 'store', testMatch: ['**/*.store-spec.ts'], globalSetup: '<rootDir>/test/postgres-setup.mjs', globalTeardown: '<rootDir>/test/postgres-teardown.mjs' },
    // Real processes: each file starts what it needs and ends it.
    { ...base, displayName: 'e2e', testMatch: ['**/*.e2e-spec.ts'] },
    // What takes long or needs much of a machine: container tools, registries, virtual machines. A missing program fails with its package.
    { ...base, displayName: 'nightly', testMatch: ['**/*.nightly-spec.ts'] },
  ],
};
