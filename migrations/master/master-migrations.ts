/** All migrations of the schema `master`, in order. A new one is added at the end; see docs/checklists/add-a-migration.md. */
import type { MigrationClass } from '../run-migrations.js';
import { FirstMasterTables1764000000000 } from './first-tables-1764000000000.js';

export const masterMigrations: readonly MigrationClass[] = [FirstMasterTables1764000000000];
