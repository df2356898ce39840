/** What Nest wires: the controllers over one handed-in `Rim`. The core is built in `main.ts`, and knows nothing of this. */
import { Module, type DynamicModule } from '@nestjs/common';
import { AppReads } from './http/app-reads.js';
import { AppTasks } from './http/app-tasks.js';
import { AppsController } from './http/apps.controller.js';
import { EkidenController } from './http/ekiden.controller.js';
import { EventStream } from './http/event-stream.js';
import { GroupsController } from './http/groups.controller.js';
import { RIM, type Rim } from './http/rim.js';
import { SystemController } from './http/system.controller.js';
import { TasksController } from './http/tasks.controller.js';

@Module({})
export class AppModule {
  static of(rim: Rim, reads: AppReads): DynamicModule {
    return {
      module: AppModule,
      controllers: [AppsController, TasksController, SystemController, GroupsController, EkidenController],
      providers: [
        { provide: RIM, useValue: rim },
        { provide: AppReads, useValue: reads },
        { provide: EventStream, useValue: new EventStream(rim.clock, rim.log) },
        AppTasks,
      ],
    };
  }
}
