import { createClient, type Client, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';

import { AccountService } from './gen/muster/v1/account_pb.ts';
import { AdminService } from './gen/muster/v1/admin_pb.ts';
import { ChannelService } from './gen/muster/v1/channel_pb.ts';
import { EnrolmentService } from './gen/muster/v1/enrolment_pb.ts';
import { GroupService } from './gen/muster/v1/group_pb.ts';

/** Credentials hold the session's token where the browser keeps no cookie: plain HTTP from another machine. */
export interface Credentials {
  token: string;
}

/** Clients are the server's services; failureOf (errors.ts) reads what a call rejects with. */
export interface Clients {
  account: Client<typeof AccountService>;
  channel: Client<typeof ChannelService>;
  group: Client<typeof GroupService>;
  enrolment: Client<typeof EnrolmentService>;
  admin: Client<typeof AdminService>;
}

/** createClients connects to the server that sent the page. */
export function createClients(credentials: Credentials, baseUrl = location.origin): Clients {
  const carry: Interceptor = (next) => (request) => {
    if (credentials.token) request.header.set('Authorization', `Bearer ${credentials.token}`);
    return next(request);
  };
  const transport = createConnectTransport({ baseUrl, interceptors: [carry] });
  return {
    account: createClient(AccountService, transport),
    channel: createClient(ChannelService, transport),
    group: createClient(GroupService, transport),
    enrolment: createClient(EnrolmentService, transport),
    admin: createClient(AdminService, transport),
  };
}
